using PixioCuda.Imaging;

namespace PixioCuda.Cli.Show;

/// <summary>Patch features as a picture.</summary>
internal static class FeaturePicture
{
    private const int Channels = PatchPca.Components;

    // What is darkest and brightest: single patches must not take the contrast from all others.
    private const double LowShare = 0.01;
    private const double HighShare = 0.99;

    /// <summary>Colours of patches: the first three principal components as red, green and blue, each from its 1st to its 99th percentile.</summary>
    /// <param name="features">[patches, width].</param>
    /// <param name="width">The length of a patch's features.</param>
    /// <returns>[patches, 3], 0 to 255.</returns>
    public static double[] Colours(ReadOnlySpan<float> features, int width)
    {
        double[] colours = PatchPca.Project(features, width);
        int count = colours.Length / Channels;
        double[] sorted = new double[count];
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int i = 0; i < count; i++)
                sorted[i] = colours[(i * Channels) + channel];
            Array.Sort(sorted);
            double low = sorted[(int)Math.Round(LowShare * (count - 1))];
            double range = sorted[(int)Math.Round(HighShare * (count - 1))] - low;
            for (int i = channel; i < colours.Length; i += Channels)
            {
                // A component that the patches do not differ in is grey.
                colours[i] = range > 0 ? Math.Clamp(255 * (colours[i] - low) / range, 0, 255) : 127.5;
            }
        }

        return colours;
    }

    /// <summary>Enlarges a grid of colours to a picture.</summary>
    /// <param name="colours">[grid height, grid width, 3], 0 to 255.</param>
    /// <param name="grid">The grid.</param>
    /// <param name="size">The picture's size.</param>
    /// <param name="smooth">Bilinear between the patches' centres; else every patch is one square.</param>
    public static RgbImage Enlarge(ReadOnlySpan<double> colours, ImageSize grid, ImageSize size, bool smooth)
    {
        byte[] pixels = new byte[checked((int)(Channels * size.Area))];
        int next = 0;
        for (int y = 0; y < size.Height; y++)
        {
            (int top, int bottom, double down) = Neighbours(y, size.Height, grid.Height, smooth);
            for (int x = 0; x < size.Width; x++)
            {
                (int left, int right, double across) = Neighbours(x, size.Width, grid.Width, smooth);
                ReadOnlySpan<double> topLeft = At(colours, top, left), topRight = At(colours, top, right);
                ReadOnlySpan<double> bottomLeft = At(colours, bottom, left), bottomRight = At(colours, bottom, right);
                for (int channel = 0; channel < Channels; channel++)
                {
                    double upper = Mix(topLeft[channel], topRight[channel], across);
                    double lower = Mix(bottomLeft[channel], bottomRight[channel], across);
                    pixels[next++] = (byte)Math.Round(Mix(upper, lower, down));
                }
            }
        }

        return new RgbImage(size.Width, size.Height, pixels);

        ReadOnlySpan<double> At(ReadOnlySpan<double> values, int row, int column) =>
            values.Slice(Channels * ((row * grid.Width) + column), Channels);
    }

    /// <summary>The two patches that a pixel lies between, and how far it is from the first to the second.</summary>
    private static (int First, int Second, double Share) Neighbours(int pixel, int pixels, int patches, bool smooth)
    {
        double position = (pixel + 0.5) * patches / pixels;
        if (!smooth)
            return ((int)position, (int)position, 0);
        double fromCentre = Math.Clamp(position - 0.5, 0, patches - 1);
        int first = (int)fromCentre;
        return (first, Math.Min(first + 1, patches - 1), fromCentre - first);
    }

    private static double Mix(double from, double to, double share) => from + (share * (to - from));
}
