namespace PixioCuda.Kernels;

/// <summary>The patch projection for bytes: rescaling and normalisation folded into weight and bias, so that pixels go from the resize into
/// the product as they are.</summary>
/// <remarks>With x = scale * byte + offset, w x + b = (w scale) (byte - 128) + (b + w (128 scale + offset)). The kernel takes 128 away because
/// that is exact in every number format and halves what the rounding of a weight costs; the bias is made from the weights before they are
/// rounded.</remarks>
internal static class BytePatchWeights
{
    private const double Center = 128;

    /// <summary>Folds.</summary>
    /// <param name="weight">[columns, channels, patchHeight, patchWidth].</param>
    /// <param name="bias">[columns].</param>
    /// <param name="patchHeight">In pixels.</param>
    /// <param name="patchWidth">In pixels.</param>
    /// <param name="scale">[channels]: what a byte is multiplied by, 1 / 255 / deviation for instance.</param>
    /// <param name="offset">[channels]: what is added afterwards, -mean / deviation for instance.</param>
    /// <returns>The weight [columns, patchHeight, patchWidth, channels] in the order of the bytes, and the bias [columns].</returns>
    /// <exception cref="ArgumentException">The lengths do not belong together.</exception>
    public static (float[] Weight, float[] Bias) Fold(
        ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, int patchHeight, int patchWidth, ReadOnlySpan<double> scale, ReadOnlySpan<double> offset)
    {
        int channels = scale.Length, area = checked(patchHeight * patchWidth);
        if (offset.Length != channels)
            throw new ArgumentException($"There are {channels} scales and {offset.Length} offsets; each channel has one of both.", nameof(offset));
        if (weight.Length != (long)bias.Length * channels * area)
        {
            throw new ArgumentException(
                $"A weight of {weight.Length} numbers is none of {bias.Length} rows of {channels} x {patchHeight} x {patchWidth}.", nameof(weight));
        }

        float[] folded = new float[weight.Length], foldedBias = new float[bias.Length];
        for (int column = 0; column < bias.Length; column++)
        {
            ReadOnlySpan<float> row = weight.Slice(column * channels * area, channels * area);
            double constant = bias[column];
            for (int channel = 0; channel < channels; channel++)
            {
                double step = (Center * scale[channel]) + offset[channel];
                for (int i = 0; i < area; i++)
                {
                    double value = row[(channel * area) + i];
                    folded[(((column * area) + i) * channels) + channel] = (float)(value * scale[channel]);
                    constant += value * step;
                }
            }

            foldedBias[column] = (float)constant;
        }

        return (folded, foldedBias);
    }
}
