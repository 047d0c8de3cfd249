using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of pos_embed.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PosEmbedArgs
{
    public DevicePointer<float> Stored;
    public DevicePointer<float> Table;
    public uint ClassTokens;
    public uint StoredHeight;
    public uint StoredWidth;
    public uint Height;
    public uint Width;
}

/// <summary>A resize of position embeddings: [ClassTokens + StoredHeight * StoredWidth, Columns] -> [ClassTokens + Height * Width, Columns].</summary>
internal readonly record struct PosEmbedShape(int ClassTokens, int StoredHeight, int StoredWidth, int Height, int Width, int Columns)
{
    public int Tokens => checked(ClassTokens + (Height * Width));
}

/// <summary>The tunables of pos_embed.cu.</summary>
internal sealed record PosEmbedConfig(int Columns) : IKernelConfig
{
    public KernelSource Source => KernelText.Source<PosEmbedArgs>("pos_embed", new KernelDefine("COLUMNS", $"{Columns}"));

    public int Threads => 128;

    public int SharedBytes => 0;

    // Four blocks of 128 threads on a multiprocessor leave 128.
    public int RegisterBudget => 128;

    public IReadOnlyList<string> RequiredInstructions => Columns % 4 == 0 ? ["ld.global.v4", "st.global.v4", "fma.rn.f32"] : ["fma.rn.f32"];

    /// <summary>What a launch moves: a class token once in and out, a patch's 16 stored rows in and one out.</summary>
    public KernelWork Work(PosEmbedShape shape)
    {
        long row = (long)Columns * sizeof(float), patches = (long)shape.Height * shape.Width, stored = (long)shape.StoredHeight * shape.StoredWidth;
        return new KernelWork(
            (shape.ClassTokens + (16 * patches)) * row, shape.Tokens * row, 40.0 * patches * Columns, ((2L * shape.ClassTokens) + stored + patches) * row);
    }
}

/// <summary>Position embeddings for another grid, on a device.</summary>
internal sealed class PosEmbedKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly PosEmbedShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public PosEmbedKernel(GpuDevice device, PosEmbedShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public PosEmbedConfig Config { get; }

    /// <summary>The configuration for a shape.</summary>
    public static PosEmbedConfig SelectConfig(PosEmbedShape shape) => new(shape.Columns);

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="stored">[ClassTokens + StoredHeight * StoredWidth, Columns].</param>
    /// <param name="table">[ClassTokens + Height * Width, Columns], not overlapping.</param>
    public void Launch(GpuStream stream, DevicePointer<float> stored, DevicePointer<float> table)
    {
        PosEmbedArgs args = new()
        {
            Stored = stored,
            Table = table,
            ClassTokens = (uint)_shape.ClassTokens,
            StoredHeight = (uint)_shape.StoredHeight,
            StoredWidth = (uint)_shape.StoredWidth,
            Height = (uint)_shape.Height,
            Width = (uint)_shape.Width,
        };
        _device.Launch(stream, _kernel, new LaunchConfig(_shape.Tokens, Config.Threads), args);
    }
}
