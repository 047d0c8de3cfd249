using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The struct PatchGrid of kernels/include/patches.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PatchGridArgs
{
    public uint Height;
    public uint Width;
    public uint GridWidth;
    public uint Patches;
    public uint Rows;
}

/// <summary>The argument struct of patch_embed.cu and patch_embed_f32.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PatchEmbedArgs
{
    public DevicePointer<byte> Pixels;
    public DevicePointer<byte> Weight;
    public DevicePointer<float> Bias;
    public DevicePointer<float> ClassTokens;
    public DevicePointer<float> Positions;
    public DevicePointer<byte> Y;
    public PatchGridArgs Grid;
    public uint Batch;
    public uint ClassCount;
    public uint Columns;
    public uint ColumnTiles;
    public uint Tiles;
}

/// <summary>The patch embedding on a device, for one shape.</summary>
internal sealed class PatchEmbedKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly PatchEmbedShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    /// <param name="config">Null for the one of <see cref="SelectConfig"/>.</param>
    public PatchEmbedKernel(GpuDevice device, PatchEmbedShape shape, PatchEmbedConfig? config = null)
    {
        _device = device;
        _shape = shape;
        Config = config ?? SelectConfig(shape, DeviceLimits.Of(device.Info));
        _kernel = device.LoadKernel(Config.Source);
    }

    public PatchEmbedConfig Config { get; }

    /// <summary>The configuration for a shape: large tiles where there are enough of them to give every multiprocessor one, because they read
    /// pixels and weights less often, else small ones. A third size would gain little here and be compiled for every model. All of them sum in the same order, so that a picture's bits do not depend on its
    /// batch.</summary>
    /// <exception cref="ArgumentException">The pictures are not whole patches, or too many for one launch.</exception>
    public static PatchEmbedConfig SelectConfig(PatchEmbedShape shape, DeviceLimits device)
    {
        if (shape.Batch < 0 || shape.Channels < 1 || shape.PatchHeight < 1 || shape.PatchWidth < 1 || shape.Columns < 1 || shape.ClassTokens < 0
            || shape.Height < 1 || shape.Width < 1 || shape.Height % shape.PatchHeight != 0 || shape.Width % shape.PatchWidth != 0)
        {
            throw new ArgumentException(
                $"Pictures of {shape.Height} x {shape.Width} pixels are not cut into patches of {shape.PatchHeight} x "
                + $"{shape.PatchWidth}: both sides have to be multiples.", nameof(shape));
        }

        if ((decimal)shape.Batch * shape.Channels * shape.Height * shape.Width > uint.MaxValue)
        {
            throw new ArgumentException(
                $"{shape.Batch} pictures of {shape.Channels} x {shape.Height} x {shape.Width} values are more than 32 bits "
                + "count; run them in smaller batches.",
                nameof(shape));
        }

        if (shape.Element == ElementType.F32)
            return Make(64, 64, 0);
        PatchEmbedConfig large = Make(128, 128, 64);
        return Fits(large) ? large : Make(32, 64, 16);

        PatchEmbedConfig Make(int blockRows, int blockColumns, int warpRows) => new(
            shape.Channels, shape.PatchHeight, shape.PatchWidth, shape.Pixels, shape.Element, shape.Output,
            VectorWidth.Widest(shape.Columns, ElementType.F32, ElementType.F32), blockRows, blockColumns, warpRows, Stages: 3);

        bool Fits(PatchEmbedConfig config)
        {
            (long rows, long columns) = config.Tiles(shape);
            return rows * columns >= device.SmCount && config.SharedBytes <= device.SharedBytesPerBlock;
        }
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="pixels">As the shape's pixel type has them, aligned to 16 bytes.</param>
    /// <param name="weight">[Columns, WeightPitch] of the element type, in the order of the pixels; behind PatchElements zeros.</param>
    /// <param name="bias">[Columns].</param>
    /// <param name="classTokens">[ClassTokens, Columns].</param>
    /// <param name="positions">[Tokens, Columns], for this grid.</param>
    /// <param name="y">[Batch, Tokens, Columns] of the output type.</param>
    /// <exception cref="ArgumentException">The pixels are not aligned.</exception>
    public void Launch(
        GpuStream stream, DevicePointer<byte> pixels, DevicePointer<byte> weight, DevicePointer<float> bias, DevicePointer<float> classTokens,
        DevicePointer<float> positions, DevicePointer<byte> y)
    {
        if (pixels.Address % 16 != 0)
            throw new ArgumentException($"The pixels lie at 0x{pixels.Address:x}, which is no multiple of 16 bytes.", nameof(pixels));
        if (_shape.Batch == 0)
            return;
        (long rowTiles, long columnTiles) = Config.Tiles(_shape);
        long classThreads = (long)_shape.Batch * _shape.ClassTokens * (_shape.Columns / Config.OutVector);
        long tiles = rowTiles * columnTiles, classBlocks = (classThreads + Config.Threads - 1) / Config.Threads;
        PatchEmbedArgs args = new()
        {
            Pixels = pixels,
            Weight = weight,
            Bias = bias,
            ClassTokens = classTokens,
            Positions = positions,
            Y = y,
            Grid = new PatchGridArgs
            {
                Height = (uint)_shape.Height,
                Width = (uint)_shape.Width,
                GridWidth = (uint)_shape.GridWidth,
                Patches = (uint)_shape.Patches,
                Rows = (uint)_shape.Rows,
            },
            Batch = (uint)_shape.Batch,
            ClassCount = (uint)_shape.ClassTokens,
            Columns = (uint)_shape.Columns,
            ColumnTiles = checked((uint)columnTiles),
            Tiles = checked((uint)tiles),
        };
        _device.Launch(stream, _kernel, new LaunchConfig(checked((int)(tiles + classBlocks)), Config.Threads, SharedBytes: Config.SharedBytes), args);
    }
}
