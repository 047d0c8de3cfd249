using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of select_tokens.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SelectTokensArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<byte> Y;
    public uint Stride;
    public uint First;
    public uint Count;
    public uint BlocksPerPicture;
}

/// <summary>[Batch, Tokens, Columns] -> [Batch, TokenCount, Columns]: the tokens from FirstToken on.</summary>
internal readonly record struct SelectTokensShape(
    int Batch, int Tokens, int FirstToken, int TokenCount, int Columns, ElementType Input, ElementType Output);

/// <summary>The tunables of select_tokens.cu.</summary>
internal sealed record SelectTokensConfig(ElementType Input, ElementType Output, int Vector) : IKernelConfig
{
    private const int VectorsPerThread = 4;

    public KernelSource Source => KernelText.Source<SelectTokensArgs>(
        "select_tokens", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("VECTOR", $"{Vector}"));

    public int Threads => 256;

    public int SharedBytes => 0;

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => PoolInstructions.Of(Input, Output, Vector);

    public int VectorsPerBlock => Threads * VectorsPerThread;

    /// <summary>What a launch moves: every wanted element once in and out.</summary>
    public KernelWork Work(SelectTokensShape shape)
    {
        long elements = (long)shape.Batch * shape.TokenCount * shape.Columns;
        long read = elements * Input.ByteCount(), written = elements * Output.ByteCount();
        return new KernelWork(read, written, 0, read + written);
    }
}

/// <summary>Copies chosen tokens, converting on the way.</summary>
internal sealed class SelectTokensKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly SelectTokensShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public SelectTokensKernel(GpuDevice device, SelectTokensShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public SelectTokensConfig Config { get; }

    /// <summary>The configuration for a shape: the widest accesses that its rows allow.</summary>
    /// <exception cref="ArgumentException">The wanted tokens are not among those there are.</exception>
    public static SelectTokensConfig SelectConfig(SelectTokensShape shape)
    {
        if (shape.Columns < 1 || shape.FirstToken < 0 || shape.TokenCount < 0 || shape.FirstToken > shape.Tokens - shape.TokenCount)
            throw new ArgumentException($"{shape} asks for tokens that are not there.", nameof(shape));
        return new SelectTokensConfig(shape.Input, shape.Output, VectorWidth.Widest(shape.Columns, shape.Input, shape.Output));
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Batch, Tokens, Columns] of the input type.</param>
    /// <param name="y">[Batch, TokenCount, Columns] of the output type.</param>
    public void Launch(GpuStream stream, DevicePointer<byte> x, DevicePointer<byte> y)
    {
        uint rowVectors = (uint)(_shape.Columns / Config.Vector);
        uint count = checked((uint)_shape.TokenCount * rowVectors);
        uint blocks = (count + (uint)Config.VectorsPerBlock - 1) / (uint)Config.VectorsPerBlock;
        if (blocks == 0 || _shape.Batch == 0)
            return;
        SelectTokensArgs args = new()
        {
            X = x,
            Y = y,
            Stride = checked((uint)_shape.Tokens * rowVectors),
            First = checked((uint)_shape.FirstToken * rowVectors),
            Count = count,
            BlocksPerPicture = blocks,
        };
        _device.Launch(stream, _kernel, new LaunchConfig(checked((int)blocks * _shape.Batch), Config.Threads), args);
    }
}
