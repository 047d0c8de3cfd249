using PixioCuda.Cli.Show;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class PatchPcaTests
{
    [Theory]
    [InlineData(40, 7)]
    [InlineData(300, 33)]
    [InlineData(5, 64)]
    public void Known_components_are_found(int count, int width)
    {
        // Scores that are uncorrelated by construction, along directions that are orthonormal by construction.
        Random random = new(1);
        double[][] directions = Orthonormal(random, 3, width), scores = Orthonormal(random, 3, count, centred: true);
        double[] spreads = [9, 4, 1];
        float[] features = new float[count * width];
        for (int row = 0; row < count; row++)
        {
            for (int i = 0; i < width; i++)
                features[(row * width) + i] =
                    (float)(100 + i + Enumerable.Range(0, 3).Sum(k => spreads[k] * scores[k][row] * directions[k][i]));
        }

        double[] projected = PatchPca.Project(features, width);
        for (int k = 0; k < 3; k++)
        {
            double sign = directions[k].MaxBy(Math.Abs) < 0 ? -1 : 1;
            // The features are rounded to float32 around 100, which is 4e-6 each.
            for (int row = 0; row < count; row++)
                Assert.Equal(sign * spreads[k] * scores[k][row], projected[(row * 3) + k], 1e-4);
        }
    }

    [Fact]
    public void Components_of_noise_are_uncorrelated_and_hold_more_than_any_other_direction()
    {
        Random random = new(2);
        const int count = 200, width = 24;
        float[] features = [.. Enumerable.Range(0, count * width).Select(i => (float)(random.NextDouble() * (1 + (i % width))))];
        double[] projected = PatchPca.Project(features, width);
        double[] variances = [.. Enumerable.Range(0, 3).Select(k => Inner(projected, k, k))];
        Assert.True(variances[0] >= variances[1] && variances[1] >= variances[2]);
        for (int k = 0; k < 3; k++)
        {
            Assert.Equal(0, Enumerable.Range(0, count).Sum(row => projected[(row * 3) + k]), 1e-6);
            Assert.Equal(0, Inner(projected, k, (k + 1) % 3), 1e-6 * variances[0]);
        }

        for (int direction = 0; direction < width; direction++)
        {
            double mean = Enumerable.Range(0, count).Average(row => (double)features[(row * width) + direction]);
            double variance = Enumerable.Range(0, count).Sum(row => Math.Pow(features[(row * width) + direction] - mean, 2));
            Assert.True(variance <= variances[0] * (1 + 1e-9), $"Coordinate {direction} varies more than the first component.");
        }
    }

    [Fact]
    public void Features_without_three_components_give_zeros_for_the_rest()
    {
        float[] line = [1, 2, 2, 4, 3, 6, 4, 8];
        double[] projected = PatchPca.Project(line, width: 2);
        Assert.Equal(Math.Sqrt(5), projected[3] - projected[0], 1e-9);
        Assert.All(
            Enumerable.Range(0, 4), row => Assert.Equal(0, Math.Abs(projected[(row * 3) + 1]) + Math.Abs(projected[(row * 3) + 2]), 1e-9));
        Assert.Equal([0, 0, 0], PatchPca.Project([5f, 6f, 7f], width: 3));
    }

    [Fact]
    public void Colours_run_from_dark_to_bright_and_are_grey_where_nothing_differs()
    {
        float[] features = [.. Enumerable.Range(0, 101).Select(i => (float)i)];
        double[] colours = FeaturePicture.Colours(features, width: 1);
        Assert.Equal(0, colours[0]);
        Assert.Equal(255, colours[^3]);
        Assert.Equal(127.5, colours[150], 1e-6);
        Assert.All(Enumerable.Range(0, 101), i => Assert.Equal(127.5, colours[(3 * i) + 2]));
    }

    [Fact]
    public void Bilinear_enlarging_interpolates_between_centres_and_keeps_the_border()
    {
        double[] colours = [0, 0, 0, 200, 100, 40];
        byte[] smooth = FeaturePicture.Enlarge(colours, new ImageSize(1, 2), new ImageSize(2, 8), smooth: true).Pixels.ToArray();
        Assert.Equal([0, 0, 25, 75, 125, 175, 200, 200], Enumerable.Range(0, 8).Select(x => (int)smooth[3 * x]));
        byte[] squares = FeaturePicture.Enlarge(colours, new ImageSize(1, 2), new ImageSize(2, 8), smooth: false).Pixels.ToArray();
        Assert.Equal([0, 0, 0, 0, 40, 40, 40, 40], Enumerable.Range(0, 8).Select(x => (int)squares[(3 * x) + 2]));
    }

    [Fact]
    public void Every_letter_of_a_caption_is_drawn_and_none_looks_like_another()
    {
        const string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:-_/@()=+%~'*?";
        HashSet<string> shapes =
            [.. letters.Select(letter => string.Concat(PixelFont.Draw(letter.ToString()).Select(pixel => pixel ? '#' : ' ')))];
        Assert.Equal(letters.Length, shapes.Count);
        Assert.All(shapes, shape => Assert.Contains('#', shape));
        Assert.DoesNotContain(true, PixelFont.Draw(" "));
        Assert.Equal(PixelFont.Draw("?"), PixelFont.Draw("ö"));
        Assert.Equal(PixelFont.GlyphHeight * PixelFont.Measure("ab"), PixelFont.Draw("ab").Length);
    }

    private static double Inner(double[] projected, int j, int k) =>
        Enumerable.Range(0, projected.Length / 3).Sum(row => projected[(row * 3) + j] * projected[(row * 3) + k]);

    /// <summary>Random vectors made orthonormal one after the other; centred ones are also orthogonal to (1, 1, ...).</summary>
    private static double[][] Orthonormal(Random random, int count, int length, bool centred = false)
    {
        List<double[]> vectors = centred ? [[.. Enumerable.Repeat(1 / Math.Sqrt(length), length)]] : [];
        int first = vectors.Count;
        while (vectors.Count < first + count)
        {
            double[] vector = [.. Enumerable.Range(0, length).Select(_ => random.NextDouble() - 0.5)];
            foreach (double[] other in vectors)
            {
                double along = vector.Zip(other, (a, b) => a * b).Sum();
                vector = [.. vector.Zip(other, (a, b) => a - (along * b))];
            }

            double norm = Math.Sqrt(vector.Sum(value => value * value));
            vectors.Add([.. vector.Select(value => value / norm)]);
        }

        return [.. vectors.Skip(first)];
    }
}
