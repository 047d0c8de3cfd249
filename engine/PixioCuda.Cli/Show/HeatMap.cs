namespace PixioCuda.Cli.Show;

/// <summary>Numbers of patches as colours: black, red, yellow, white.</summary>
internal static class HeatMap
{
    private const int Channels = 3;

    /// <summary>Colours between two values; what lies beyond takes the nearest.</summary>
    /// <param name="values">[patches].</param>
    /// <param name="low">What is black.</param>
    /// <param name="high">What is white.</param>
    /// <returns>[patches, 3], 0 to 255.</returns>
    public static double[] Colours(ReadOnlySpan<double> values, double low, double high)
    {
        double[] colours = new double[Channels * values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            // Where nothing differs, nothing stands out.
            double share = high > low ? Math.Clamp((values[i] - low) / (high - low), 0, 1) : 0;
            for (int channel = 0; channel < Channels; channel++)
                colours[(Channels * i) + channel] = 255 * Math.Clamp((Channels * share) - channel, 0, 1);
        }

        return colours;
    }
}
