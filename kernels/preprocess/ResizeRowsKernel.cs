using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of resize_rows.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResizeRowsArgs
{
    public DevicePointer<byte> Source;
    public DevicePointer<int> First;
    public DevicePointer<int> Count;
    public DevicePointer<int> Weights;
    public DevicePointer<byte> Rows;
    public ulong SourceBytes;
    public uint Width;
    public uint FirstRow;
    public uint RowCount;
    public uint Size;
    public uint WeightStride;
    public uint Pitch;
}

/// <summary>The one way of compiling resize_rows.cu.</summary>
internal sealed record ResizeRowsConfig : IKernelConfig
{
    /// <summary>Rows and columns of the result that a block makes.</summary>
    public const int Tile = 32;

    private const int ChunkPixels = 256;

    public KernelSource Source => KernelText.Source<ResizeRowsArgs>("resize_rows");

    public int Threads => 256;

    public int SharedBytes => sizeof(uint) * Tile * ((ChunkPixels * 3 / 4) + 1 + (Tile * 3 / 4) + 1);

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions => ["shfl.sync", "ld.shared.u8"];

    /// <summary>What a launch moves: for each tile of columns the used part of every row, in accesses of which 31 of 32 words are new, and for
    /// each warp its columns' weights.</summary>
    public KernelWork Work(ResizeAxis horizontal, int rowCount)
    {
        const int Sector = 32;
        long read = 0;
        long rowTiles = (rowCount + Tile - 1) / Tile;
        for (int column = 0; column < horizontal.Size; column += Tile)
        {
            int last = Math.Min(column + Tile, horizontal.Size) - 1;
            int pixels = horizontal.First[last] + horizontal.Count[last] - horizontal.First[column];
            int chunks = (pixels + ChunkPixels - 1) / ChunkPixels;
            // A row's stretch begins and ends within a sector, and so do the accesses it is made of.
            int accesses = chunks + (pixels * 3 / 4 / (Tile - 1));
            read += (long)rowCount * ((pixels * 3) + (2L * Sector * accesses));
            // Every access to weights and positions is one sector: the same word for all lanes. Each warp asks where the tile begins and ends.
            long words = 3L * Threads / Tile;
            for (int x = column; x <= last; x++)
                words += horizontal.Count[x] + (2L * chunks);
            read += rowTiles * words * Sector;
        }

        long written = (long)rowCount * Pitch(horizontal.Size), used = (long)rowCount * 3 * (horizontal.InputEnd - horizontal.InputStart);
        return new KernelWork(read, written, 6.0 * rowCount * horizontal.WeightCount, used + written);
    }

    /// <summary>Bytes from one row of the result to the next.</summary>
    public static int Pitch(int width) => checked((3 * width) + 31) / 32 * 32;
}

/// <summary>The horizontal pass of a resize.</summary>
internal sealed class ResizeRowsKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;

    /// <summary>Compiles or fetches the kernel.</summary>
    public ResizeRowsKernel(GpuDevice device)
    {
        _device = device;
        _kernel = device.LoadKernel(Config.Source);
    }

    public ResizeRowsConfig Config { get; } = new();

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="source">[height, width, 3], aligned to 4 bytes.</param>
    /// <param name="width">Of the source.</param>
    /// <param name="height">Of the source.</param>
    /// <param name="horizontal">The columns of the result.</param>
    /// <param name="firstRow">The first row of the source that the vertical pass will take.</param>
    /// <param name="rowCount">How many rows it will take.</param>
    /// <param name="rows">[rowCount, <see cref="ResizeRowsConfig.Pitch"/>].</param>
    public void Launch(
        GpuStream stream, DevicePointer<byte> source, int width, int height, in ResizeAxisTable horizontal, int firstRow, int rowCount,
        DevicePointer<byte> rows)
    {
        int size = horizontal.Size;
        ResizeRowsArgs args = new()
        {
            Source = source,
            First = horizontal.First,
            Count = horizontal.Count,
            Weights = horizontal.Weights,
            Rows = rows,
            SourceBytes = 3UL * (ulong)width * (ulong)height,
            Width = (uint)width,
            FirstRow = (uint)firstRow,
            RowCount = (uint)rowCount,
            Size = (uint)size,
            WeightStride = (uint)horizontal.Stride,
            Pitch = (uint)ResizeRowsConfig.Pitch(size),
        };
        const int Tile = ResizeRowsConfig.Tile;
        _device.Launch(
            stream, _kernel, new LaunchConfig(((size + Tile - 1) / Tile, (rowCount + Tile - 1) / Tile), Config.Threads, SharedBytes: Config.SharedBytes), args);
    }
}
