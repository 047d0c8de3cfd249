using PixioCuda.Interop;

namespace PixioCuda.Nvrtc.Tests.Cache;

/// <summary>A compiler whose code names what it was made of, and that counts its calls.</summary>
internal sealed class FakeCompiler(string version = "12.4") : IKernelCompiler
{
    private int _calls;

    public int Calls => _calls;

    public Version Version { get; } = Version.Parse(version);

    public IReadOnlyList<int> Architectures { get; } = [80, 89, 90];

    public static KernelSource Source(string text = "extern \"C\" __global__ void k(Args a) {}")
        => new("k.cu", text, [], [], "k", 8);

    public CompiledKernel Compile(KernelSource source, GpuArchitecture architecture)
    {
        Interlocked.Increment(ref _calls);
        byte[] cubin = System.Text.Encoding.UTF8.GetBytes($"{source.Text}|{architecture}|{Version}");
        return new CompiledKernel(cubin, "ptxas info    : Used 32 registers", architecture, Version);
    }
}
