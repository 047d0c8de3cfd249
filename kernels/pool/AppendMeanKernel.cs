using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of append_mean.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AppendMeanArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<float> Mean;
    public DevicePointer<byte> Y;
    public uint Rows;
    public uint Tokens;
    public uint Patches;
}

/// <summary>[Batch, Tokens, Columns] and mean [Batch, Columns] -> [Batch, Patches, 2 Columns]: each of the last Patches tokens with its
/// picture's mean behind it.</summary>
internal readonly record struct AppendMeanShape(int Batch, int Tokens, int Patches, int Columns, ElementType Input, ElementType Output);

/// <summary>The tunables of append_mean.cu.</summary>
internal sealed record AppendMeanConfig(int Columns, ElementType Input, ElementType Output, int Vector) : IKernelConfig
{
    public KernelSource Source => KernelText.Source<AppendMeanArgs>(
        "append_mean", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("COLUMNS", $"{Columns}"), new("VECTOR", $"{Vector}"));

    public int Threads => 128;

    public int SharedBytes => 0;

    // Eight blocks of 128 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => PoolInstructions.Of(Input, Output, Vector);

    /// <summary>What a launch moves: a patch and a mean in for each row, twice as many elements out.</summary>
    public KernelWork Work(AppendMeanShape shape)
    {
        long elements = (long)shape.Batch * shape.Patches * Columns;
        long patches = elements * Input.ByteCount(), written = 2 * elements * Output.ByteCount();
        return new KernelWork(patches + (elements * sizeof(float)), written, 0, patches + written + ((long)shape.Batch * Columns * sizeof(float)));
    }
}

/// <summary>Every patch with its picture's mean appended.</summary>
internal sealed class AppendMeanKernel
{
    private const int WarpSize = 32;

    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly AppendMeanShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public AppendMeanKernel(GpuDevice device, AppendMeanShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public AppendMeanConfig Config { get; }

    /// <summary>The configuration for a shape: the widest accesses that its rows and the float32 mean's allow.</summary>
    /// <exception cref="ArgumentException">There are fewer tokens than patches.</exception>
    public static AppendMeanConfig SelectConfig(AppendMeanShape shape)
    {
        if (shape.Columns < 1 || shape.Patches < 0 || shape.Patches > shape.Tokens)
            throw new ArgumentException($"{shape} asks for patches that are not there.", nameof(shape));
        return new AppendMeanConfig(
            shape.Columns, shape.Input, shape.Output, VectorWidth.Widest(shape.Columns, ElementType.F32, ElementType.F32));
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Batch, Tokens, Columns] of the input type.</param>
    /// <param name="mean">[Batch, Columns].</param>
    /// <param name="y">[Batch, Patches, 2 Columns] of the output type.</param>
    public void Launch(GpuStream stream, DevicePointer<byte> x, DevicePointer<float> mean, DevicePointer<byte> y)
    {
        int rows = checked(_shape.Batch * _shape.Patches);
        if (rows == 0)
            return;
        AppendMeanArgs args = new() { X = x, Mean = mean, Y = y, Rows = (uint)rows, Tokens = (uint)_shape.Tokens, Patches = (uint)_shape.Patches };
        int rowsPerBlock = Config.Threads / WarpSize;
        _device.Launch(stream, _kernel, new LaunchConfig((rows + rowsPerBlock - 1) / rowsPerBlock, Config.Threads), args);
    }
}
