using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of fold_norm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FoldNormArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<float> NormWeight;
    public DevicePointer<float> NormBias;
    public DevicePointer<byte> W;
    public DevicePointer<float> RowSums;
    public DevicePointer<float> Bias;
    public uint Rows;
    public uint Columns;
}

/// <summary>Rows of a weight that takes a LayerNorm in: [Rows, Columns] of the stored type -> [Rows, Columns] of the element
/// type.</summary>
internal readonly record struct FoldNormShape(int Rows, int Columns, ElementType Input, ElementType Output);

/// <summary>The tunables of fold_norm.cu.</summary>
internal sealed record FoldNormConfig(ElementType Input, ElementType Output) : IKernelConfig
{
    /// <summary>Columns of a lane's accesses; rows are a multiple of it.</summary>
    public const int Vector = 4;

    private const int WarpSize = 32;

    public KernelSource Source => KernelText.Source<FoldNormArgs>(
        "fold_norm", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()));

    public int Threads => 256;

    public int SharedBytes => 0;

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => ["ld.global.v4", "shfl.sync"];

    /// <summary>Rows of a block.</summary>
    public int RowsPerBlock => Threads / WarpSize;

    /// <summary>What a launch moves: every weight once in and out, the norm's weight and bias for every row, and of every row its bias and
    /// sum, for which a whole sector of 32 bytes is asked.</summary>
    public KernelWork Work(FoldNormShape shape)
    {
        const int Sector = 32;
        long elements = (long)shape.Rows * shape.Columns, norm = 2L * shape.Columns * sizeof(float);
        long vector = 3L * shape.Rows * sizeof(float);
        long read = elements * Input.ByteCount(), written = elements * Output.ByteCount();
        return new KernelWork(
            read + (shape.Rows * (norm + Sector)), written + (2L * shape.Rows * Sector), 5.0 * elements, read + written + norm + vector);
    }
}

/// <summary>Folds a LayerNorm into the weight of the product behind it, some rows at a time.</summary>
internal sealed class FoldNormKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="config">That of <see cref="SelectConfig"/>; it serves every shape of its types.</param>
    public FoldNormKernel(GpuDevice device, FoldNormConfig config)
    {
        _device = device;
        Config = config;
        _kernel = device.LoadKernel(config.Source);
    }

    public FoldNormConfig Config { get; }

    /// <summary>The configuration for a shape.</summary>
    /// <exception cref="NotSupportedException">There is no kernel for it.</exception>
    public static FoldNormConfig SelectConfig(FoldNormShape shape)
    {
        if (shape.Rows < 0 || shape.Columns < 1 || shape.Columns % FoldNormConfig.Vector != 0 || shape.Output == ElementType.F32)
        {
            throw new NotSupportedException(
                $"A LayerNorm cannot be folded into {shape}: it takes 16-bit results, and rows of a multiple of {FoldNormConfig.Vector} "
                + "columns.");
        }

        return new FoldNormConfig(shape.Input, shape.Output);
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="shape">Of the config's types.</param>
    /// <param name="x">[Rows, Columns] as stored, aligned to 16 bytes.</param>
    /// <param name="normWeight">[Columns].</param>
    /// <param name="normBias">[Columns].</param>
    /// <param name="w">[Rows, Columns] of the element type.</param>
    /// <param name="rowSums">[Rows].</param>
    /// <param name="bias">[Rows], to which x times the norm's bias is added.</param>
    public void Launch(
        GpuStream stream, FoldNormShape shape, DevicePointer<byte> x, DevicePointer<float> normWeight, DevicePointer<float> normBias,
        DevicePointer<byte> w, DevicePointer<float> rowSums, DevicePointer<float> bias)
    {
        if (SelectConfig(shape) != Config)
            throw new ArgumentException($"{shape} is not what {Config} was made for.", nameof(shape));
        if (shape.Rows == 0)
            return;
        FoldNormArgs args = new()
        {
            X = x,
            NormWeight = normWeight,
            NormBias = normBias,
            W = w,
            RowSums = rowSums,
            Bias = bias,
            Rows = (uint)shape.Rows,
            Columns = (uint)shape.Columns,
        };
        int blocks = (shape.Rows + Config.RowsPerBlock - 1) / Config.RowsPerBlock;
        _device.Launch(stream, _kernel, new LaunchConfig(blocks, Config.Threads), args);
    }
}
