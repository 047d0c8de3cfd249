using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of mean_tokens.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MeanTokensArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<byte> Y;
    public uint Batch;
    public uint Tokens;
    public uint TokenCount;
}

/// <summary>[Batch, Tokens, Columns] -> [Batch, Columns]: the mean of the first TokenCount tokens.</summary>
internal readonly record struct MeanTokensShape(int Batch, int Tokens, int TokenCount, int Columns, ElementType Input, ElementType Output);

/// <summary>The tunables of mean_tokens.cu.</summary>
internal sealed record MeanTokensConfig(int Columns, ElementType Input, ElementType Output, int Vector) : IKernelConfig
{
    public KernelSource Source => KernelText.Source<MeanTokensArgs>(
        "mean_tokens", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("COLUMNS", $"{Columns}"), new("VECTOR", $"{Vector}"));

    public int Threads => 64;

    public int SharedBytes => 0;

    // Eight blocks of 64 threads on a multiprocessor leave 128; eight vectors under way and their sum take half of that.
    public int RegisterBudget => 128;

    public IReadOnlyList<string> RequiredInstructions => PoolInstructions.Of(Input, Output, Vector);

    /// <summary>What a launch moves: every token of the mean once in, the mean once out.</summary>
    public KernelWork Work(MeanTokensShape shape)
    {
        long columns = (long)shape.Batch * Columns;
        long read = columns * shape.TokenCount * Input.ByteCount(), written = columns * Output.ByteCount();
        return new KernelWork(read, written, columns * (shape.TokenCount + 1.0), read + written);
    }
}

/// <summary>The mean of every picture's first tokens.</summary>
internal sealed class MeanTokensKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly MeanTokensShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public MeanTokensKernel(GpuDevice device, MeanTokensShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public MeanTokensConfig Config { get; }

    /// <summary>The configuration for a shape: the widest accesses that its rows allow.</summary>
    /// <exception cref="ArgumentException">There are fewer tokens than the mean is of, or it is of none.</exception>
    public static MeanTokensConfig SelectConfig(MeanTokensShape shape)
    {
        if (shape.Columns < 1 || shape.TokenCount < 1 || shape.TokenCount > shape.Tokens)
            throw new ArgumentException($"{shape} asks for a mean of tokens that are not there.", nameof(shape));
        return new MeanTokensConfig(
            shape.Columns, shape.Input, shape.Output, VectorWidth.Widest(shape.Columns, shape.Input, shape.Output));
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Batch, Tokens, Columns] of the input type.</param>
    /// <param name="y">[Batch, Columns] of the output type.</param>
    public void Launch(GpuStream stream, DevicePointer<byte> x, DevicePointer<byte> y)
    {
        if (_shape.Batch == 0)
            return;
        MeanTokensArgs args = new() { X = x, Y = y, Batch = (uint)_shape.Batch, Tokens = (uint)_shape.Tokens, TokenCount = (uint)_shape.TokenCount };
        int vectors = checked(_shape.Batch * (_shape.Columns / Config.Vector));
        _device.Launch(stream, _kernel, new LaunchConfig((vectors + Config.Threads - 1) / Config.Threads, Config.Threads), args);
    }
}
