using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class PatchEmbedKernelTests
{
    public static TheoryData<int, int, int, int, int, int, int, int> Shapes => new()
    {
        // batch, channels, height, width, patch height, patch width, class tokens, columns
        { 1, 3, 32, 48, 16, 16, 8, 64 },      // the published patches
        { 3, 1, 16, 24, 8, 8, 1, 48 },        // tiny-odd: batch of pictures that share tiles
        { 2, 3, 21, 28, 7, 14, 2, 36 },       // patches that are not square, runs of 14 and 42
        { 1, 3, 10, 15, 5, 5, 0, 12 },        // single pixels, rows of the weight padded
        { 1, 2, 120, 88, 8, 8, 3, 132 },      // 165 patches, 132 columns: tails of every tile
        { 1, 3, 5, 3, 5, 3, 1, 7 },           // one patch, single channels
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Tokens_are_what_double_precision_gives(
        int batch, int channels, int height, int width, int patchHeight, int patchWidth, int classTokens, int columns)
    {
        foreach ((PixelType pixels, ElementType element, ElementType output) in new[]
            {
                (PixelType.F32, ElementType.BF16, ElementType.F32), (PixelType.U8, ElementType.BF16, ElementType.BF16),
                (PixelType.U8, ElementType.F16, ElementType.F32), (PixelType.F32, ElementType.F16, ElementType.F16),
                (PixelType.F32, ElementType.F32, ElementType.F32), (PixelType.U8, ElementType.F32, ElementType.F32),
            })
        {
            PatchEmbedCase test = new(new(batch, channels, height, width, patchHeight, patchWidth, classTokens, columns, pixels, element, output));
            using GpuDevice device = Emulator.Open(element == ElementType.F16 ? new ComputeCapability(8, 0) : null);
            test.AssertRight(test.Run(device, null, SeededRuns.SeedCount));
        }
    }

    [Theory]
    [InlineData(ElementType.BF16, PixelType.F32)]
    [InlineData(ElementType.F16, PixelType.U8)]
    public void Every_tile_gives_the_same_bits(object element, object pixels)
    {
        PatchEmbedShape shape = new(2, 3, 144, 64, 16, 16, 1, 136, (PixelType)pixels, (ElementType)element, ElementType.F32);
        PatchEmbedCase test = new(shape);
        using GpuDevice device = Emulator.Open();
        PatchEmbedConfig small = PatchEmbedKernel.SelectConfig(shape, DeviceLimits.H200);
        float[] expected = test.Run(device, small, 2);
        test.AssertRight(expected);
        foreach ((int rows, int columns, int warpRows) in new[] { (64, 128, 32), (128, 128, 64) })
            Assert.Equal(expected, test.Run(device, small with { BlockRows = rows, BlockColumns = columns, WarpRows = warpRows }, 2));
        // The second picture alone: the same bits as in the batch.
        PatchEmbedShape alone = shape with { Batch = 1 };
        Assert.Equal(expected[(expected.Length / 2)..], new PatchEmbedCase(alone, test, picture: 1).Run(device, null, 1));
    }

    [Fact]
    public void Folded_weights_give_what_normalised_pixels_give()
    {
        const int columns = 5, channels = 3, patchHeight = 2, patchWidth = 4, area = patchHeight * patchWidth;
        float[] weight = Numbers.Normal("weight", columns * channels * area, 0.05), bias = Numbers.Normal("bias", columns);
        double[] scale = [1 / 255.0 / 0.229, 1 / 255.0 / 0.224, 1 / 255.0 / 0.225], offset = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225];
        (float[] folded, float[] foldedBias) = BytePatchWeights.Fold(weight, bias, patchHeight, patchWidth, scale, offset);
        byte[] pixels = new byte[area * channels];
        new Random(5).NextBytes(pixels);
        for (int column = 0; column < columns; column++)
        {
            double expected = bias[column], actual = foldedBias[column], magnitude = Math.Abs(foldedBias[column]);
            for (int i = 0; i < area; i++)
            {
                for (int channel = 0; channel < channels; channel++)
                {
                    double value = pixels[(i * channels) + channel];
                    expected += weight[(((column * channels) + channel) * area) + i] * ((value * scale[channel]) + offset[channel]);
                    double product = folded[(((column * area) + i) * channels) + channel] * (value - 128);
                    actual += product;
                    magnitude += Math.Abs(product);
                }
            }

            // Each folded number is rounded once to float32.
            Assert.True(Math.Abs(actual - expected) <= Math.ScaleB(magnitude, -24), $"column {column}: {actual}, expected {expected}");
        }

        Assert.Throws<ArgumentException>("offset", () => BytePatchWeights.Fold(weight, bias, patchHeight, patchWidth, scale, offset.AsSpan(0, 2)));
        Assert.Throws<ArgumentException>("weight", () => BytePatchWeights.Fold(weight.AsSpan(1), bias, patchHeight, patchWidth, scale, offset));
    }

    [Fact]
    public void Every_choice_is_valid_and_within_the_devices_limits()
    {
        int[] columns = [12, 48, 64, 240, 288, 768, 1024, 1280, 1536, 3072], batches = [1, 2, 3, 7, 8, 16, 64, 200];
        foreach (DeviceLimits device in new[] { DeviceLimits.A100, DeviceLimits.Rtx4090, DeviceLimits.H200 })
        {
            foreach (PatchEmbedShape shape in
                from column in columns
                from batch in batches
                from side in new[] { 16, 256, 512, 1024 }
                from element in Enum.GetValues<ElementType>()
                from pixels in Enum.GetValues<PixelType>()
                from patch in new[] { 8, 16 }
                select new PatchEmbedShape(batch, 3, side, side * 2, patch, patch, 8, column, pixels, element, ElementType.F32))
            {
                PatchEmbedConfig config = PatchEmbedKernel.SelectConfig(shape, device);
                Assert.InRange(config.Threads, 32, 1024);
                Assert.InRange(config.SharedBytes, 1, device.SharedBytesPerBlock);
                Assert.True(config.Threads * config.RegisterBudget <= 65536);
                Assert.Equal(0, config.BlockColumns % 32);
            }
        }
    }

    [Fact]
    public void Pictures_that_are_not_whole_patches_are_refused()
    {
        PatchEmbedShape shape = new(1, 3, 32, 40, 16, 16, 8, 64, PixelType.F32, ElementType.BF16, ElementType.F32);
        Assert.Contains("32 x 40", Assert.Throws<ArgumentException>("shape", () => PatchEmbedKernel.SelectConfig(shape, DeviceLimits.H200)).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentException>("shape", () => PatchEmbedKernel.SelectConfig(shape with { Batch = 30000, Height = 1024, Width = 1024 }, DeviceLimits.H200));
    }
}
