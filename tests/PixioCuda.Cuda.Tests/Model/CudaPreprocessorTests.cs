using System.Runtime.InteropServices;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Skia;
using PixioCuda.Tests;
using PixioCuda.Tests.Imaging;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What brings pictures into batches on a device: pixel values have the CPU's bits, and those of Pillow's own pixels; memory is
/// bounded, and nothing is allocated for a picture.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaPreprocessorTests
{
    private const int Side = 256;

    public static TheoryData<string> Names => [.. GoldenImage.Names];

    [Theory]
    [Trait("Category", "Full width")]
    [MemberData(nameof(Names))]
    public void Reference_pictures_have_the_pixel_values_of_Pillows_pixels(string name)
    {
        Emulator.Require();
        GoldenImage golden = GoldenImage.Get(name);
        RgbImage image = new SkiaImageDecoder().Decode(golden.Encoded, name);
        foreach ((string kind, ImageRecipe recipe) in new[]
        {
            ("resized_256", ImageRecipe.Hf(Side, Side)),
            ("meta_crop", ImageRecipe.MetaKnn(Side)),
            ("hf_crop", Recipe("""{ "size": { "shortest_edge": 256 }, "crop_size": { "height": 256, "width": 256 } }""")),
        })
        {
            if (golden.Expected(kind) is not { } rgb)
                continue;
            ImageProcessor processor = new(recipe);
            float[] ofPillow = new float[rgb.Length], ofCpu = new float[rgb.Length];
            processor.Normalize(rgb, ofPillow);
            processor.Process(image, ofCpu);
            using OnDevice device = new(recipe);
            float[] values = device.Process(image);
            Assert.True(Bytes(ofCpu).SequenceEqual(Bytes(values)), $"{name}, {kind}: the pixel values differ from the CPU's.");
            Assert.True(Bytes(ofPillow).SequenceEqual(Bytes(values)), $"{name}, {kind}: the pixel values differ from those of Pillow's pixels.");
        }
    }

    public static TheoryData<string, int, int> Recipes => new()
    {
        { """{ "do_resize": false, "do_center_crop": false }""", 37, 21 },
        { """{ "do_resize": false, "crop_size": { "height": 13, "width": 30 } }""", 37, 21 },
        { """{ "size": { "height": 20, "width": 33 }, "do_center_crop": false, "do_rescale": false }""", 50, 41 },
        { """{ "size": { "height": 20, "width": 33 }, "do_center_crop": false, "do_normalize": false }""", 50, 41 },
        { """{ "size": { "height": 20, "width": 33 }, "do_center_crop": false, "rescale_factor": -0.0123, "do_normalize": false }""", 5, 3 },
        { """{ "size": 16, "crop_size": 9, "rescale_factor": 0.00787401575, "image_mean": [1, 1e-3, -7.5], "image_std": [3, 1e-20, 0.1] }""", 61, 40 },
        { """{ "size": { "height": 31, "width": 32 }, "do_center_crop": false }""", 1, 1 },
        { """{ "size": { "height": 31, "width": 32 }, "do_center_crop": false }""", 4000, 1 },
        { """{ "size": { "height": 31, "width": 32 }, "do_center_crop": false }""", 1, 4001 },
    };

    [Theory]
    [MemberData(nameof(Recipes))]
    public void Every_kind_of_recipe_has_the_CPUs_bits(string json, int width, int height)
    {
        Emulator.Require();
        ImageRecipe recipe = Recipe(json);
        RgbImage image = Noise(width, height, seed: 1);
        ImageProcessor processor = new(recipe);
        (int outHeight, int outWidth) = processor.OutputSize(image);
        float[] expected = new float[3 * outHeight * outWidth];
        processor.Process(image, expected);
        for (ulong seed = 1; seed <= 4; seed++)
        {
            Emulator.SetSeed(seed);
            using OnDevice device = new(recipe);
            Assert.True(Bytes(expected).SequenceEqual(Bytes(device.Process(image))), $"{json}, seed {seed}");
        }
    }

    [Fact]
    public void Pictures_that_follow_one_another_do_not_disturb_each_other()
    {
        Emulator.Require();
        ImageRecipe recipe = ImageRecipe.Hf(24, 24);
        ImageProcessor processor = new(recipe);
        (int Width, int Height)[] sizes = [(30, 20), (200, 150), (5, 5), (70, 90), (700, 300), (3, 8), (33, 31)];
        int length = 3 * 24 * 24;
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using OnDevice device = new(recipe);
            using DeviceTensor<float> pixels = device.Preprocessor.CreatePixels(sizes.Length, length);
            float[] expected = new float[sizes.Length * length];
            for (int i = 0; i < sizes.Length; i++)
            {
                RgbImage image = Noise(sizes[i].Width, sizes[i].Height, i);
                Span<float> place = expected.AsSpan(i * length, length);
                processor.Process(image, place);
                // Every third one was made by the CPU; the caller's memory is his again at once.
                byte[] mine = image.Pixels.ToArray();
                float[] values = place.ToArray();
                if (i % 3 == 2)
                    device.Preprocessor.Copy(values, pixels, i * (long)length);
                else
                    device.Preprocessor.Resize(new RgbImage(image.Width, image.Height, mine), processor.AxesFor(image), pixels, i * (long)length);
                Array.Fill(mine, (byte)7);
                Array.Fill(values, 7);
            }

            float[] actual = new float[expected.Length];
            pixels.CopyTo(actual);
            Assert.True(Bytes(expected).SequenceEqual(Bytes(actual)), $"seed {seed}");
        }

        if (!Emulator.IsHardware)
            Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void A_picture_allocates_nothing_and_memory_does_not_grow()
    {
        Emulator.RequireEmulation();
        ImageRecipe recipe = ImageRecipe.Hf(24, 24);
        ImageProcessor processor = new(recipe);
        RgbImage large = Noise(300, 200, 1), small = Noise(40, 30, 2);
        ResizeAxes ofLarge = processor.AxesFor(large), ofSmall = processor.AxesFor(small);
        float[] values = new float[3 * 24 * 24];
        using OnDevice device = new(recipe);
        using DeviceTensor<float> pixels = device.Preprocessor.CreatePixels(1, values.Length);
        for (int i = 0; i < 2; i++)
            device.Preprocessor.Resize(large, ofLarge, pixels, 0);
        Emulator.LiveHandles before = Emulator.Live();
        SteadyState.AllocatesNothing(runs: 3, Pictures);
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        for (int i = 0; i < 3; i++)
            Pictures();
        // Of a picture: a wait for pinned memory, a copy and its event, two launches, two waits and a record; cuCtxSetCurrent before each.
        Assert.InRange(Emulator.CallCount, 9u * 8, 9u * 16);
        Assert.Equal(before, Emulator.Live());

        void Pictures()
        {
            device.Preprocessor.Resize(large, ofLarge, pixels, 0);
            device.Preprocessor.Resize(small, ofSmall, pixels, 0);
            device.Preprocessor.Copy(values, pixels, 0);
        }
    }

    [Fact]
    public void Pixel_values_beyond_the_limit_are_copied_in_pieces()
    {
        Emulator.Require();
        using OnDevice device = new(ImageRecipe.Hf(24, 24), byteLimit: 1000);
        float[] values = [.. Enumerable.Range(0, 3 * 24 * 24).Select(i => (float)i)], copied = new float[values.Length];
        using DeviceTensor<float> pixels = device.Preprocessor.CreatePixels(1, values.Length);
        device.Preprocessor.Copy(values, pixels, 0);
        pixels.CopyTo(copied);
        Assert.Equal(values, copied);
        Assert.InRange(device.Preprocessor.PinnedByteCount, 1000, 2000);
    }

    [Fact]
    public void What_fits_is_told_without_computing_it_and_is_never_too_little()
    {
        // Sides that no kernel's grid covers, results that are too large, and pictures just at the limit.
        ImageGeometry geometry = ImageRecipe.Hf(Side, Side).Geometry;
        Assert.False(PreprocessLayout.Fits(Black(1, 65_535 * 32 + 1), geometry, 1L << 40));
        Assert.True(PreprocessLayout.Fits(Black(1, 65_535 * 32), geometry, 1L << 40));
        Assert.False(PreprocessLayout.Fits(Black((1 << 22) + 1, 1), geometry, 1L << 40));
        Assert.False(PreprocessLayout.Fits(Black(4, 4), ImageRecipe.Hf(65_536, 16).Geometry, 1L << 40));
        Assert.True(PreprocessLayout.Fits(Black(6000, 4000), geometry, CudaPreprocessor.DefaultByteLimit));
        Assert.False(PreprocessLayout.Fits(Black(7000, 4000), geometry, CudaPreprocessor.DefaultByteLimit));

        Random random = new(5);
        for (int round = 0; round < 500; round++)
        {
            ImageRecipe recipe = (round % 3) switch
            {
                0 => ImageRecipe.Hf(random.Next(1, 80), random.Next(1, 80)),
                1 => ImageRecipe.MetaKnn(random.Next(1, 80)),
                _ => Recipe("""{ "do_resize": false, "do_center_crop": false }"""),
            };
            RgbImage image = Black(random.Next(1, 300), random.Next(1, 300));
            (var horizontal, var vertical) = new ImageProcessor(recipe).AxesFor(image);
            PreprocessLayout layout = PreprocessLayout.Of(
                image.Width, vertical.InputEnd - vertical.InputStart, horizontal.Size, horizontal.Stride, vertical.Size, vertical.Stride);
            long least = 0;
            for (long limit = 1 << 24; limit > 0; limit >>= 1)
                least = PreprocessLayout.Fits(image, recipe.Geometry, limit) ? limit : least;
            Assert.InRange(layout.ByteCount, 1, least);
            Assert.True(layout.Horizontal >= 3L * image.Width * (vertical.InputEnd - vertical.InputStart));
            Assert.True(layout.Horizontal % 4 == 0 && layout.Vertical % 4 == 0 && layout.Rows % 4 == 0);
        }
    }

    private static ImageRecipe Recipe(string json) => ImageRecipe.Parse(System.Text.Encoding.UTF8.GetBytes(json), "preprocessor_config.json");

    private static ReadOnlySpan<byte> Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan());

    private static RgbImage Black(int width, int height) => new(width, height, new byte[3 * width * height]);

    private static RgbImage Noise(int width, int height, int seed)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(seed).NextBytes(pixels);
        return new RgbImage(width, height, pixels);
    }

    /// <summary>A preprocessor by a recipe on the device of a small model.</summary>
    private sealed class OnDevice : IDisposable
    {
        private readonly PixioModel _model = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cuda" });
        private readonly ImageProcessor _processor;

        public OnDevice(ImageRecipe recipe, long byteLimit = CudaPreprocessor.DefaultByteLimit)
        {
            _processor = new ImageProcessor(recipe);
            Preprocessor = _model.CreatePreprocessor(recipe.Scale, byteLimit);
        }

        public CudaPreprocessor Preprocessor { get; }

        /// <summary>The pixel values of one picture.</summary>
        public float[] Process(RgbImage image)
        {
            (int height, int width) = _processor.OutputSize(image);
            float[] values = new float[3 * height * width];
            using DeviceTensor<float> pixels = Preprocessor.CreatePixels(1, values.Length);
            Preprocessor.Resize(image, _processor.AxesFor(image), pixels, 0);
            pixels.CopyTo(values);
            return values;
        }

        public void Dispose()
        {
            Preprocessor.Dispose();
            _model.Dispose();
        }
    }
}
