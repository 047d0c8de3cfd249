namespace PixioCuda.Cli.Output;

/// <summary>Lengths of vectors, summed in double precision.</summary>
internal static class Vectors
{
    public static double Norm(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += (double)value * value;
        return Math.Sqrt(sum);
    }

    /// <summary>Every vector of a tensor at length 1.</summary>
    /// <param name="values">[..., width].</param>
    /// <param name="width">The last dimension.</param>
    public static float[] Normalized(ReadOnlySpan<float> values, int width)
    {
        float[] result = values.ToArray();
        for (int first = 0; first < result.Length; first += width)
        {
            Span<float> vector = result.AsSpan(first, width);
            double norm = Norm(vector);
            // A vector of zeros has no direction and stays as it is.
            if (norm == 0)
                continue;
            foreach (ref float value in vector)
                value = (float)(value / norm);
        }

        return result;
    }

    /// <summary>The first finite value that float16 would make infinite, or -1.</summary>
    public static int IndexBeyondHalf(ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (float.IsFinite(values[i]) && Half.IsInfinity((Half)values[i]))
                return i;
        }

        return -1;
    }

    public static bool AreFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
                return false;
        }

        return true;
    }
}
