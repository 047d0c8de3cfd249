using System.Globalization;

namespace PixioCuda.Imaging;

/// <summary>What a recipe does to the values of pixels: times a factor, minus a mean, over a deviation, each step only if asked
/// for.</summary>
/// <param name="Factor">What bytes are multiplied by; null to leave them as they are.</param>
/// <param name="Normalization">What is subtracted and divided by; null for nothing.</param>
internal sealed record PixelScale(double? Factor, ChannelNormalization? Normalization)
{
    /// <summary>Of a picture: red, green, blue.</summary>
    public const int ChannelCount = 3;

    /// <summary>1/255, then ImageNet's mean and deviation.</summary>
    public static PixelScale Published { get; } = new(1 / 255.0, new ChannelNormalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]));

    /// <summary>The part of a recipe's id that tells the values; empty for the published ones.</summary>
    public string Id
    {
        get
        {
            string factor = Factor == Published.Factor ? ""
                : Factor is { } value ? $"-scale-{value.ToString(CultureInfo.InvariantCulture)}"
                : "-unscaled";
            string published = Published.Normalization!.Id;
            return factor + (Normalization is null ? "-unnormalized" : Normalization.Id == published ? "" : Normalization.Id);
        }
    }

    /// <summary>The same as one step for each channel: a byte times <c>Scale</c>, plus <c>Offset</c>, both [3].</summary>
    public (double[] Scale, double[] Offset) ToLinear()
    {
        double[] scale = new double[ChannelCount], offset = new double[ChannelCount];
        for (int channel = 0; channel < ChannelCount; channel++)
        {
            double deviation = Normalization?.Deviation[channel] ?? 1;
            scale[channel] = (Factor ?? 1) / deviation;
            offset[channel] = -(Normalization?.Mean[channel] ?? 0) / deviation;
        }

        return (scale, offset);
    }

    /// <summary>[3, 256]: the value of each byte in each channel, in transformers' arithmetic: the product in double precision, rounded
    /// once, then difference and quotient in single precision.</summary>
    public float[] ToTable()
    {
        float[] table = new float[3 * 256];
        for (int channel = 0; channel < 3; channel++)
        {
            for (int value = 0; value < 256; value++)
            {
                float scaled = Factor is { } factor ? (float)(value * factor) : value;
                table[256 * channel + value] = Normalization is { } normalization
                    ? (scaled - (float)normalization.Mean[channel]) / (float)normalization.Deviation[channel]
                    : scaled;
            }
        }

        return table;
    }
}

/// <summary>Mean and deviation per channel, red first.</summary>
internal sealed class ChannelNormalization(double[] mean, double[] deviation)
{
    public IReadOnlyList<double> Mean { get; } = mean;

    public IReadOnlyList<double> Deviation { get; } = deviation;

    public string Id => $"-mean-{Join(Mean)}-std-{Join(Deviation)}";

    private static string Join(IReadOnlyList<double> values) =>
        string.Join(',', values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
}
