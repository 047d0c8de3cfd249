using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace PixioCuda.Interop;

/// <summary>Checks of ranges and sizes.</summary>
internal static class MemoryRange
{
    /// <summary>The size of a number of elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative, or its bytes are more than an address can tell
    /// apart.</exception>
    public static unsafe long Bytes<T>(long count, [CallerArgumentExpression(nameof(count))] string? parameter = null)
        where T : unmanaged
    {
        if (count < 0 || count > long.MaxValue / sizeof(T))
        {
            throw new ArgumentOutOfRangeException(parameter, string.Create(CultureInfo.InvariantCulture,
                $"{count} elements of {sizeof(T)} bytes are no size of a memory."));
        }

        return count * sizeof(T);
    }

    /// <summary>Throws unless a range lies within a memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It does not.</exception>
    public static void Check(long total, long start, long count, string parameter)
    {
        if (start < 0 || count < 0 || start > total - count)
            Throw(total, start, count, parameter);
    }

    [DoesNotReturn]
    [StackTraceHidden]
    private static void Throw(long total, long start, long count, string parameter)
        => throw new ArgumentOutOfRangeException(parameter, string.Create(CultureInfo.InvariantCulture,
            $"The elements from {start}, {count} of them, do not lie within a memory of {total} elements."));
}
