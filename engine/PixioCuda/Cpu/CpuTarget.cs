using System.Globalization;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>What the kernels are chosen by: the vector width and the number of threads.</summary>
/// <param name="VectorBits">512, 256 or 128.</param>
/// <param name="ThreadCount">The threads that share the work, the calling one included.</param>
internal sealed record CpuTarget(int VectorBits, int ThreadCount)
{
    /// <summary>The widest vectors of this machine.</summary>
    public static int WidestVectorBits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated && Fma.IsSupported ? 256 : 128;

    /// <summary>Rows of a micro-kernel's tile.</summary>
    public int TileRows { get; } = VectorBits switch
    {
        512 => MicroKernel512.Rows,
        256 => MicroKernel256.Rows,
        128 => MicroKernel128.Rows,
        _ => throw new ArgumentOutOfRangeException(nameof(VectorBits), VectorBits, "The kernels are written for vectors of 512, 256 and 128 bits."),
    };

    /// <summary>Columns of a micro-kernel's tile, and of a packed panel.</summary>
    public int PanelColumns { get; } = 2 * VectorBits / (8 * sizeof(float));

    /// <summary>Columns of a narrow panel.</summary>
    public int NarrowColumns { get; } = VectorBits switch
    {
        512 => MicroKernel512.NarrowColumns,
        256 => MicroKernel256.NarrowColumns,
        _ => MicroKernel128.NarrowColumns,
    };

    /// <summary>Rounds a number of rows up to whole tiles.</summary>
    public int PadRows(int rows) => checked((rows + TileRows - 1) / TileRows * TileRows);

    /// <summary>The panels that a number of columns fills.</summary>
    public int PanelCount(int columns) => (columns + PanelColumns - 1) / PanelColumns;

    /// <summary>"AVX-512, 2 threads".</summary>
    public override string ToString()
    {
        string instructions = (VectorBits, Sse.IsSupported) switch
        {
            (512, _) => "AVX-512",
            (256, _) => "AVX2",
            (_, true) => "SSE",
            _ => "128-bit vectors",
        };
        return string.Create(CultureInfo.InvariantCulture, $"{instructions}, {ThreadCount} {(ThreadCount == 1 ? "thread" : "threads")}");
    }
}
