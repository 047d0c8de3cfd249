using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>The extent of a grid, block or cluster in three directions, as CUDA has it.</summary>
/// <param name="X">The fastest direction.</param>
/// <param name="Y">The second one.</param>
/// <param name="Z">The slowest one.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Dim3(uint X, uint Y = 1, uint Z = 1)
{
    /// <summary>How many there are in all.</summary>
    public long Count => (long)X * Y * Z;

    public static implicit operator Dim3(int x) => new(checked((uint)x));

    public static implicit operator Dim3((int X, int Y) extent) => new(checked((uint)extent.X), checked((uint)extent.Y));

    public static implicit operator Dim3((int X, int Y, int Z) extent)
        => new(checked((uint)extent.X), checked((uint)extent.Y), checked((uint)extent.Z));

    public override string ToString() => $"({X}, {Y}, {Z})";
}
