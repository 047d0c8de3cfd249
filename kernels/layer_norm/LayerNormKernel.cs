using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of layer_norm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LayerNormArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<float> Weight;
    public DevicePointer<float> Bias;
    public DevicePointer<byte> Y;
    public uint Rows;
    public uint Tokens;
    public uint FirstToken;
    public uint TokenCount;
    public float Eps;
}

/// <summary>A LayerNorm: [Batch, Tokens, Columns] -> [Batch, TokenCount, Columns], of the tokens from FirstToken on.</summary>
internal readonly record struct LayerNormShape(
    int Batch, int Tokens, int FirstToken, int TokenCount, int Columns, ElementType Input, ElementType Output)
{
    public int Rows => checked(Batch * TokenCount);
}

/// <summary>The tunables of layer_norm.cu.</summary>
internal sealed record LayerNormConfig(int Columns, ElementType Input, ElementType Output, int ThreadsPerRow, int RowsPerBlock) : IKernelConfig
{
    /// <summary>The widest row of which each of 1024 threads can keep its part in registers.</summary>
    public const int MaxColumns = 1 << 16;

    private const int WarpSize = 32;

    public KernelSource Source => KernelText.Source<LayerNormArgs>(
        "layer_norm", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("COLUMNS", $"{Columns}"),
        new("THREADS_PER_ROW", $"{ThreadsPerRow}"), new("ROWS_PER_BLOCK", $"{RowsPerBlock}"));

    public int Threads => ThreadsPerRow * RowsPerBlock;

    // Three sums, each with a float for each warp; a row of one warp needs none.
    public int SharedBytes => ThreadsPerRow == WarpSize ? 0 : 3 * sizeof(float) * (Threads / WarpSize);

    // A thread's part of the row, and as much again for what a vector of weight, bias and result takes.
    public int RegisterBudget => Math.Min(65536 / Threads, 128);

    public IReadOnlyList<string> RequiredInstructions => VectorOf(Columns) == 4 ? ["ld.global.v4", "shfl.sync"] : ["shfl.sync"];

    /// <summary>The neighbouring columns that a thread takes at a time, as layer_norm.cu has it.</summary>
    public static int VectorOf(int columns) => columns % 4 == 0 ? 4 : columns % 2 == 0 ? 2 : 1;

    /// <summary>What a launch moves: every row once in and out, the weights once for each row.</summary>
    public KernelWork Work(LayerNormShape shape)
    {
        long rows = shape.Rows, weights = 2L * Columns * sizeof(float);
        long input = rows * Columns * Input.ByteCount(), output = rows * Columns * Output.ByteCount();
        return new KernelWork(input + (rows * weights), output, 8.0 * rows * Columns, input + output + weights);
    }
}

/// <summary>LayerNorm on a device, for one shape.</summary>
internal sealed class LayerNormKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly LayerNormShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    /// <param name="config">Null for the one of <see cref="SelectConfig"/>.</param>
    public LayerNormKernel(GpuDevice device, LayerNormShape shape, LayerNormConfig? config = null)
    {
        _device = device;
        _shape = shape;
        Config = config ?? SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public LayerNormConfig Config { get; }

    /// <summary>The configuration for a shape. How many threads share a row decides in which order its sums are taken, and therefore depends on
    /// the row alone and never on how many rows there are: a picture's bits do not change with its batch.</summary>
    /// <exception cref="NotSupportedException">The rows are wider than registers hold.</exception>
    public static LayerNormConfig SelectConfig(LayerNormShape shape)
    {
        if (shape.Columns is < 1 or > LayerNormConfig.MaxColumns)
            throw new NotSupportedException($"LayerNorm of {shape.Columns} columns does not fit into registers; at most {LayerNormConfig.MaxColumns} do.");
        int vector = LayerNormConfig.VectorOf(shape.Columns), vectors = shape.Columns / vector;
        // Up to 20 numbers a thread keep enough loads under way and leave room for 16 warps of a multiprocessor; wider rows take more of them.
        int most = Math.Max(20 / vector, (vectors + 1023) / 1024);
        int best = 0, bestIdle = int.MaxValue;
        for (int threads = 32; threads <= 1024; threads += 32)
        {
            int each = (vectors + threads - 1) / threads, idle = (each * threads) - vectors;
            if (each <= most && idle < bestIdle)
                (best, bestIdle) = (threads, idle);
        }

        return new LayerNormConfig(shape.Columns, shape.Input, shape.Output, best, Math.Max(1, 128 / best));
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Batch, Tokens, Columns] of the shape's input type.</param>
    /// <param name="weight">[Columns].</param>
    /// <param name="bias">[Columns].</param>
    /// <param name="y">[Batch, TokenCount, Columns] of the shape's output type.</param>
    /// <param name="eps">Added to the variance.</param>
    public void Launch(
        GpuStream stream, DevicePointer<byte> x, DevicePointer<float> weight, DevicePointer<float> bias, DevicePointer<byte> y, float eps)
    {
        LayerNormArgs args = new()
        {
            X = x,
            Weight = weight,
            Bias = bias,
            Y = y,
            Rows = (uint)_shape.Rows,
            Tokens = (uint)_shape.Tokens,
            FirstToken = (uint)_shape.FirstToken,
            TokenCount = (uint)_shape.TokenCount,
            Eps = eps,
        };
        int blocks = (_shape.Rows + Config.RowsPerBlock - 1) / Config.RowsPerBlock;
        _device.Launch(stream, _kernel, new LaunchConfig(blocks, Config.Threads, SharedBytes: Config.SharedBytes, Programmatic: true), args);
    }
}
