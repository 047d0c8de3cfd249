using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>Comparison of pixels that says where they differ most.</summary>
internal static class PixelAssert
{
    public static void Same(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, int width, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        int differing = 0, worst = 0, worstAt = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            int difference = Math.Abs(expected[i] - actual[i]);
            differing += difference == 0 ? 0 : 1;
            if (difference > worst)
                (worst, worstAt) = (difference, i);
        }

        Assert.True(differing == 0,
            $"{what}: {differing} of {expected.Length} bytes differ, most at x {worstAt / 3 % width}, y {worstAt / 3 / width}, "
            + $"channel {worstAt % 3}: {expected[worstAt]} expected, {actual[worstAt]} found.");
    }
}
