using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

public sealed class KernelCompilerTests
{
    private const string Text = """
        #include "scale.cuh"
        struct Args { const float* x; float* y; int count; };
        static_assert(sizeof(Args) == 24, "as the host has it");
        extern "C" __global__ void __launch_bounds__(128) scale(const __grid_constant__ Args args) {
            extern __shared__ float tile[];
            int i = blockIdx.x * 128 + threadIdx.x;
            tile[threadIdx.x] = i < args.count ? args.x[i] : 0.0f;
            __syncthreads();
            if (i < args.count) args.y[i] = scaled(tile[127 - threadIdx.x]);
        }
        """;

    [Theory]
    [InlineData("8.0")]
    [InlineData("8.9")]
    [InlineData("9.0")]
    public void A_kernel_becomes_machine_code_and_its_needs_are_read_from_the_log(string capability)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        Version version = Version.Parse(capability);
        GpuArchitecture architecture = GpuArchitecture.Select(
            new ComputeCapability(version.Major, version.Minor), compiler.Architectures, compiler.Title);
        CompiledKernel kernel = compiler.Compile(Source(), architecture);
        Assert.Equal("\u007fELF"u8.ToArray(), kernel.Cubin[..4]);
        Assert.InRange(kernel.Resources.Registers, 1, 40);
        Assert.Equal(0, kernel.Resources.StackBytes);
        Assert.Equal(0, kernel.Resources.SpillStoreBytes);
        Assert.Contains(architecture.Name, kernel.Log, StringComparison.Ordinal);
        Assert.Equal(compiler.Version, kernel.CompilerVersion);
    }

    private static KernelSource Source(string factor = "3")
        => new("scale.cu", Text, [new KernelInclude("scale.cuh", "#pragma once\nfloat scaled(float x) { return x * FACTOR; }\n")],
            [new KernelDefine("FACTOR", factor)], "scale", 24);
}
