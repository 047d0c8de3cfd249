using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of convert.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ConvertArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<byte> Y;
    public ulong Columns;
    public ulong Pitch;
    public ulong Rows;
}

/// <summary>A conversion: [Rows, Columns] -> [Rows, Pitch], what Pitch exceeds Columns by being zeros.</summary>
internal readonly record struct ConvertShape(long Rows, long Columns, long Pitch, ElementType Input, ElementType Output)
{
    /// <summary>Elements that lie end to end on both sides: a tensor, or a part of one, such as query, key or value [d, d] at its place
    /// in the fused qkv weight [3d, d].</summary>
    public static ConvertShape Flat(long count, ElementType input, ElementType output) => new(1, count, count, input, output);

    public bool IsPadded => Pitch != Columns;
}

/// <summary>The tunables of convert.cu.</summary>
internal sealed record ConvertConfig(ElementType Input, ElementType Output, bool Padded) : IKernelConfig
{
    private const int VectorsPerThread = 4;

    public KernelSource Source => KernelText.Source<ConvertArgs>(
        "convert", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("PADDED", Padded ? "1" : "0"));

    public int Threads => 256;

    public int SharedBytes => 0;

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => Input == Output || Input == ElementType.F32
        ? ["ld.global.v4"]
        : Output == ElementType.F32 ? ["st.global.v4"] : ["ld.global.v4", "st.global.v4"];

    /// <summary>Elements of an access; every row of the padded result is a multiple of it.</summary>
    public int Vector => 16 / Math.Max(Input.ByteCount(), Output.ByteCount());

    /// <summary>Elements of the result that a block writes.</summary>
    public int ElementsPerBlock => Threads * VectorsPerThread * Vector;

    /// <summary>What a launch moves: every element once in and out.</summary>
    public KernelWork Work(ConvertShape shape)
    {
        long read = shape.Rows * shape.Columns * Input.ByteCount(), written = shape.Rows * shape.Pitch * Output.ByteCount();
        return new KernelWork(read, written, 0, read + written);
    }
}

/// <summary>Conversion between number formats on a device, between one pair of types.</summary>
internal sealed class ConvertKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="config">That of <see cref="SelectConfig"/>; it serves every shape of its types and kind.</param>
    public ConvertKernel(GpuDevice device, ConvertConfig config)
    {
        _device = device;
        Config = config;
        _kernel = device.LoadKernel(config.Source);
    }

    public ConvertConfig Config { get; }

    /// <summary>The configuration for a shape.</summary>
    /// <exception cref="ArgumentException">The shape's pitch is none that a padded result can have.</exception>
    public static ConvertConfig SelectConfig(ConvertShape shape)
    {
        ConvertConfig config = new(shape.Input, shape.Output, shape.IsPadded);
        Check(config, shape);
        return config;
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="shape">Of the config's types and kind.</param>
    /// <param name="x">[Rows, Columns] of the input type, aligned to an element; to 16 bytes it is fastest.</param>
    /// <param name="y">[Rows, Pitch] of the output type, not overlapping x; aligned to an element, and where it is padded to 16 bytes.</param>
    /// <exception cref="ArgumentException">The shape is not the config's, or a pointer is not aligned as it has to be.</exception>
    public void Launch(GpuStream stream, ConvertShape shape, DevicePointer<byte> x, DevicePointer<byte> y)
    {
        Check(Config, shape);
        if (x.Address % (uint)shape.Input.ByteCount() != 0)
        {
            throw new ArgumentException(
                $"The source of a conversion from {shape.Input} lies at 0x{x.Address:x}, which no element may.", nameof(x));
        }
        int alignment = shape.IsPadded ? 16 : shape.Output.ByteCount();
        if (y.Address % (uint)alignment != 0)
        {
            throw new ArgumentException(
                $"The result of a conversion lies at 0x{y.Address:x}, which is no multiple of {alignment} bytes.", nameof(y));
        }
        long elements = checked(shape.Rows * shape.Pitch);
        if (elements == 0)
            return;
        ConvertArgs args = new() { X = x, Y = y, Columns = (ulong)shape.Columns, Pitch = (ulong)shape.Pitch, Rows = (ulong)shape.Rows };
        int blocks = checked((int)((elements + Config.ElementsPerBlock - 1) / Config.ElementsPerBlock));
        _device.Launch(stream, _kernel, new LaunchConfig(blocks, Config.Threads), args);
    }

    private static void Check(ConvertConfig config, ConvertShape shape)
    {
        if ((shape.Input, shape.Output, shape.IsPadded) != (config.Input, config.Output, config.Padded))
            throw new ArgumentException($"{shape} is not what {config} was made for.", nameof(shape));
        if (shape.Rows < 0 || shape.Columns < 0 || (!config.Padded && shape.Rows != 1))
            throw new ArgumentException($"{shape} is no shape; elements that lie end to end are one row.", nameof(shape));
        if (!config.Padded)
            return;
        if (shape.Pitch < shape.Columns || shape.Pitch % config.Vector != 0 || shape.Pitch * shape.Output.ByteCount() % 16 != 0)
        {
            throw new ArgumentException(
                $"Rows of {shape.Columns} elements cannot be padded to {shape.Pitch}: it takes at least as many, in multiples of 16 bytes.",
                nameof(shape));
        }

        if (shape.Rows * (decimal)shape.Pitch > uint.MaxValue)
        {
            throw new ArgumentException(
                $"{shape.Rows} x {shape.Pitch} elements are more than 32 bits count; convert them in parts.", nameof(shape));
        }
    }
}
