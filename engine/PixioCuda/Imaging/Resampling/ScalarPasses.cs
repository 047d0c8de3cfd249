namespace PixioCuda.Imaging.Resampling;

/// <summary>The two passes of a resize, one sum at a time.</summary>
internal static class ScalarPasses
{
    /// <summary>Resizes rows of [rows, width, 3] to [rows, axis.Size, 3], each row of the result <paramref name="stride"/> bytes
    /// long.</summary>
    public static void Horizontal(ReadOnlySpan<byte> source, int width, BicubicAxis axis, Span<byte> destination, int stride)
    {
        for (int y = 0; y * stride < destination.Length; y++)
        {
            ReadOnlySpan<byte> row = source.Slice(y * 3 * width, 3 * width);
            Span<byte> resized = destination.Slice(y * stride, stride);
            for (int x = 0; x < axis.Size; x++)
            {
                ReadOnlySpan<int> weights = axis.Weights.AsSpan(x * axis.Stride, axis.Count[x]);
                for (int channel = 0; channel < 3; channel++)
                {
                    int sum = BicubicAxis.Half;
                    for (int k = 0; k < weights.Length; k++)
                        sum += row[3 * (axis.First[x] + k) + channel] * weights[k];
                    resized[3 * x + channel] = Clip(sum);
                }
            }
        }
    }

    /// <summary>Resizes columns of [rows, stride], whose first row is the axis' InputStart, to [axis.Size, rowBytes].</summary>
    public static void Vertical(ReadOnlySpan<byte> source, int stride, BicubicAxis axis, Span<byte> destination, int rowBytes)
    {
        for (int y = 0; y < axis.Size; y++)
        {
            ReadOnlySpan<int> weights = axis.Weights.AsSpan(y * axis.Stride, axis.Count[y]);
            int first = (axis.First[y] - axis.InputStart) * stride;
            for (int i = 0; i < rowBytes; i++)
            {
                int sum = BicubicAxis.Half;
                for (int k = 0; k < weights.Length; k++)
                    sum += source[first + k * stride + i] * weights[k];
                destination[y * rowBytes + i] = Clip(sum);
            }
        }
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> BicubicAxis.FractionBits, 0, 255);
}
