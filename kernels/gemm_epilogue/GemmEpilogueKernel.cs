using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of gemm_epilogue.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GemmEpilogueArgs
{
    public DevicePointer<float> X;
    public DevicePointer<float> Bias;
    public DevicePointer<float> Residual;
    public DevicePointer<byte> Y;
    public uint Rows;
}

/// <summary>[Rows, Columns] of float32 -> [Rows, Columns] of the output type: what an epilogue does; a residual is float32.</summary>
internal readonly record struct GemmEpilogueShape(long Rows, int Columns, GemmEpilogue Epilogue, ElementType Output);

/// <summary>The tunables of gemm_epilogue.cu.</summary>
internal sealed record GemmEpilogueConfig(int Columns, GemmEpilogue Epilogue, ElementType Output, int Vector) : IKernelConfig
{
    public KernelSource Source => KernelText.Source<GemmEpilogueArgs>(
        "gemm_epilogue", new("OUTPUT", Output.DeviceName()), new("EPILOGUE", $"k{Epilogue}"), new("COLUMNS", $"{Columns}"),
        new("VECTOR", $"{Vector}"));

    public int Threads => 256;

    public int SharedBytes => 0;

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => PoolInstructions.Of(ElementType.F32, Output, Vector);

    private bool HasResidual => Epilogue == GemmEpilogue.BiasResidual;

    /// <summary>What a launch moves: every sum and residual once in, every result once out, a bias for every sum.</summary>
    public KernelWork Work(GemmEpilogueShape shape)
    {
        long count = shape.Rows * Columns, read = count * sizeof(float) * (HasResidual ? 2 : 1), written = count * Output.ByteCount();
        return new KernelWork(
            read + (count * sizeof(float)), written, count * (Epilogue == GemmEpilogue.BiasGelu ? 25.0 : HasResidual ? 2.0 : 1.0),
            read + written + (Columns * sizeof(float)));
    }
}

/// <summary>The epilogue behind a matrix product of a library.</summary>
internal sealed class GemmEpilogueKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly GemmEpilogueShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public GemmEpilogueKernel(GpuDevice device, GemmEpilogueShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public GemmEpilogueConfig Config { get; }

    /// <summary>The configuration for a shape: the widest accesses that its rows allow.</summary>
    /// <exception cref="ArgumentException">There are no columns, nothing is to be done, or there are more elements than 32 bits count.</exception>
    public static GemmEpilogueConfig SelectConfig(GemmEpilogueShape shape)
    {
        if (shape.Rows < 0 || shape.Columns < 1 || shape.Epilogue == GemmEpilogue.None)
            throw new ArgumentException($"{shape} is no shape of sums.", nameof(shape));
        int vector = VectorWidth.Widest(shape.Columns, ElementType.F32, shape.Output);
        if (shape.Rows * (decimal)(shape.Columns / vector) > int.MaxValue)
            throw new ArgumentException($"{shape.Rows} x {shape.Columns} sums are more than one launch counts; run a smaller batch.", nameof(shape));
        return new GemmEpilogueConfig(shape.Columns, shape.Epilogue, shape.Output, vector);
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Rows, Columns].</param>
    /// <param name="bias">[Columns].</param>
    /// <param name="residual">[Rows, Columns]; null where the epilogue adds none.</param>
    /// <param name="y">[Rows, Columns] of the output type; in float32 it may be <paramref name="x"/> or <paramref name="residual"/>.</param>
    /// <exception cref="ArgumentException">There is a residual where the epilogue has none, or none where it has one.</exception>
    public void Launch(
        GpuStream stream, DevicePointer<float> x, DevicePointer<float> bias, DevicePointer<float> residual, DevicePointer<byte> y)
    {
        if (residual.IsNull == (_shape.Epilogue == GemmEpilogue.BiasResidual))
            throw new ArgumentException($"{_shape} {(residual.IsNull ? "needs a residual" : "takes no residual")}.", nameof(residual));
        if (_shape.Rows == 0)
            return;
        GemmEpilogueArgs args = new() { X = x, Bias = bias, Residual = residual, Y = y, Rows = (uint)_shape.Rows };
        long vectors = _shape.Rows * (_shape.Columns / Config.Vector);
        _device.Launch(stream, _kernel, new LaunchConfig((int)((vectors + Config.Threads - 1) / Config.Threads), Config.Threads), args);
    }
}
