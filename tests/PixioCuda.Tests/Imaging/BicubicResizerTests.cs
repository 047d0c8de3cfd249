using PixioCuda.Imaging;
using PixioCuda.Imaging.Resampling;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>The resize beyond what the golden pictures show: every vector width, odd sizes, crops.</summary>
public sealed class BicubicResizerTests
{
    public static TheoryData<int, int, int, int> Sizes => new()
    {
        { 1, 1, 256, 256 }, { 1, 1, 1, 1 }, { 1, 700, 256, 256 }, { 700, 1, 3, 5 }, { 3, 5, 256, 256 }, { 3, 5, 2, 1 }, { 2, 2, 7, 9 },
        { 4, 4, 4, 4 },
        { 5, 6, 5, 6 }, { 6, 5, 1, 1 }, { 16, 17, 15, 16 }, { 64, 9, 8, 72 }, { 255, 257, 256, 256 }, { 400, 300, 97, 61 },
        { 1023, 11, 31, 12 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Every_vector_width_gives_the_bytes_of_the_scalar_path(int width, int height, int resizedWidth, int resizedHeight)
    {
        byte[] source = Noise(width, height, seed: width + 31 * height);
        byte[] expected = Resize(SimdWidth.Scalar, source, width, height, resizedWidth, resizedHeight);
        foreach (SimdWidth simdWidth in Enum.GetValues<SimdWidth>())
            PixelAssert.Same(expected, Resize(simdWidth, source, width, height, resizedWidth, resizedHeight), resizedWidth, $"{simdWidth}");
    }

    [Fact]
    public void Every_vector_width_gives_the_bytes_of_the_scalar_path_for_random_sizes_and_crops()
    {
        Random random = new(7);
        BicubicResizer[] resizers = [.. Enum.GetValues<SimdWidth>().Select(simdWidth => new BicubicResizer(simdWidth))];
        for (int round = 0; round < 150; round++)
        {
            int width = random.Next(1, 160), height = random.Next(1, 160);
            int resizedWidth = random.Next(1, 120), resizedHeight = random.Next(1, 120);
            int keptWidth = random.Next(1, resizedWidth + 1), keptHeight = random.Next(1, resizedHeight + 1);
            int left = random.Next(resizedWidth - keptWidth + 1), top = random.Next(resizedHeight - keptHeight + 1);
            PixelRectangle kept = new(left, top, keptWidth, keptHeight);
            byte[] source = Noise(width, height, seed: round);
            byte[] whole = Resize(SimdWidth.Scalar, source, width, height, resizedWidth, resizedHeight);
            byte[] expected = Crop(whole, resizedWidth, kept);
            foreach (BicubicResizer resizer in resizers)
            {
                byte[] part = new byte[expected.Length];
                resizer.Resize(source, width, height, resizedWidth, resizedHeight, kept, part);
                PixelAssert.Same(expected, part, keptWidth,
                    $"round {round}: {width} x {height} to {resizedWidth} x {resizedHeight}, {kept}");
            }
        }
    }

    // Two passes of the defining sum in double precision, each rounded and clipped: fixed-point weights can move a sum across a rounding
    // border, so that a byte may differ by one, and after the second pass by what one level of each input can make.
    [Theory]
    [MemberData(nameof(Sizes))]
    public void The_bytes_are_those_of_the_defining_sum_up_to_one_level(int width, int height, int resizedWidth, int resizedHeight)
    {
        byte[] source = Noise(width, height, seed: 3 * width + height);
        byte[] actual = Resize(SimdWidths.Best, source, width, height, resizedWidth, resizedHeight);
        byte[] expected = DefiningSum(source, width, height, resizedWidth, resizedHeight);
        int worst = expected.Zip(actual, (left, right) => Math.Abs(left - right)).Max();
        int differing = expected.Zip(actual, (left, right) => left == right ? 0 : 1).Sum();
        Assert.True(worst <= 1 && differing <= 1 + expected.Length / 1000,
            $"{differing} of {expected.Length} bytes differ, the most by {worst}.");
    }

    [Fact]
    public void A_picture_of_one_color_keeps_it()
    {
        foreach (byte level in (byte[])[0, 1, 127, 254, 255])
        {
            byte[] source = new byte[3 * 50 * 40];
            source.AsSpan().Fill(level);
            Assert.All(Resize(SimdWidths.Best, source, 50, 40, 77, 13), value => Assert.Equal(level, value));
        }
    }

    [Fact]
    public void Nothing_is_written_beyond_the_destination()
    {
        byte[] source = Noise(33, 21, seed: 1);
        foreach (SimdWidth simdWidth in Enum.GetValues<SimdWidth>())
        {
            byte[] guarded = new byte[128 + 3 * 7 * 5 + 128];
            guarded.AsSpan().Fill(0xA5);
            new BicubicResizer(simdWidth).Resize(source, 33, 21, 7, 5, new PixelRectangle(0, 0, 7, 5), guarded.AsSpan(128, 3 * 7 * 5));
            Assert.All(guarded[..128], value => Assert.Equal(0xA5, value));
            Assert.All(guarded[^128..], value => Assert.Equal(0xA5, value));
        }
    }

    [Fact]
    public void A_result_too_large_to_be_held_between_the_passes_is_refused()
    {
        byte[] source = new byte[3 * 2_000_000];
        byte[] destination = new byte[3 * 500];
        ImageFormatException exception = Assert.Throws<ImageFormatException>(() =>
            new BicubicResizer().Resize(source, 1, 2_000_000, 500, 1, new PixelRectangle(0, 0, 500, 1), destination));
        Assert.Contains("1 x 2000000", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_side_whose_weights_would_fill_the_memory_is_refused()
    {
        const int Side = (1 << 22) + 1;
        byte[] source = new byte[3 * Side];
        byte[] destination = new byte[3];
        PixelRectangle whole = new(0, 0, 1, 1);
        Assert.Throws<ImageFormatException>(() => new BicubicResizer().Resize(source, 1, Side, 1, 1, whole, destination));
        Assert.Throws<ImageFormatException>(() => new BicubicResizer().Resize(source, Side, 1, 1, 1, whole, destination));
    }

    [Fact]
    public void Spans_of_a_wrong_length_and_parts_outside_the_result_are_refused()
    {
        BicubicResizer resizer = new();
        byte[] source = new byte[3 * 4 * 4], destination = new byte[3 * 2 * 2];
        Assert.Throws<ArgumentException>("source", () => resizer.Resize(source, 4, 5, 2, 2, new PixelRectangle(0, 0, 2, 2), destination));
        Assert.Throws<ArgumentException>("destination", () =>
            resizer.Resize(source, 4, 4, 3, 3, new PixelRectangle(0, 0, 3, 3), destination));
        Assert.Throws<ArgumentException>("kept", () => resizer.Resize(source, 4, 4, 3, 3, new PixelRectangle(2, 0, 2, 2), destination));
        Assert.Throws<ArgumentException>("kept", () => resizer.Resize(source, 4, 4, 3, 3, new PixelRectangle(0, -1, 2, 2), destination));
    }

    [Fact]
    public void More_sizes_than_the_cache_holds_stay_right_on_many_threads()
    {
        BicubicResizer shared = new();
        byte[] source = Noise(60, 50, seed: 9);
        byte[][] expected = [.. Enumerable.Range(1, 80).Select(size => Resize(SimdWidth.Scalar, source, 60, 50, size, 81 - size))];
        Parallel.For(0, 800, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            int size = i * 37 % 80 + 1;
            byte[] destination = new byte[3 * size * (81 - size)];
            shared.Resize(source, 60, 50, size, 81 - size, new PixelRectangle(0, 0, size, 81 - size), destination);
            PixelAssert.Same(expected[size - 1], destination, size, $"size {size}");
        });
    }

    private static byte[] Resize(SimdWidth simdWidth, byte[] source, int width, int height, int resizedWidth, int resizedHeight)
    {
        byte[] destination = new byte[3 * resizedWidth * resizedHeight];
        new BicubicResizer(simdWidth).Resize(source, width, height, resizedWidth, resizedHeight,
            new PixelRectangle(0, 0, resizedWidth, resizedHeight), destination);
        return destination;
    }

    private static byte[] Noise(int width, int height, int seed)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(seed).NextBytes(pixels);
        return pixels;
    }

    private static byte[] Crop(byte[] pixels, int width, PixelRectangle kept)
    {
        List<byte> part = [];
        for (int y = kept.Top; y < kept.Top + kept.Height; y++)
            part.AddRange(pixels.AsSpan(3 * (y * width + kept.Left), 3 * kept.Width));
        return [.. part];
    }

    private static byte[] DefiningSum(byte[] source, int width, int height, int resizedWidth, int resizedHeight)
    {
        byte[] between = new byte[3 * resizedWidth * height], result = new byte[3 * resizedWidth * resizedHeight];
        for (int i = 0; i < between.Length; i++)
        {
            int channel = i % 3, x = i / 3 % resizedWidth, y = i / 3 / resizedWidth;
            between[i] = Sample(at => source[3 * (y * width + at) + channel], width, resizedWidth, x);
        }

        for (int i = 0; i < result.Length; i++)
        {
            int rest = i % (3 * resizedWidth), y = i / (3 * resizedWidth);
            result[i] = Sample(at => between[at * 3 * resizedWidth + rest], height, resizedHeight, y);
        }

        return result;
    }

    private static byte Sample(Func<int, byte> input, int inputSize, int outputSize, int position)
    {
        double scale = (double)inputSize / outputSize, stretch = Math.Max(1, scale), center = (position + 0.5) * scale;
        double sum = 0, weights = 0;
        for (int at = 0; at < inputSize; at++)
        {
            double weight = Cubic(Math.Abs(at + 0.5 - center) / stretch);
            sum += weight * input(at);
            weights += weight;
        }

        return (byte)Math.Clamp(Math.Floor(sum / weights + 0.5), 0, 255);
    }

    /// <summary>Keys' cubic convolution kernel with A = -1/2, as published (1981).</summary>
    private static double Cubic(double x) => x switch
    {
        < 1 => 1.5 * x * x * x - 2.5 * x * x + 1,
        < 2 => -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2,
        _ => 0,
    };
}
