using PixioCuda.Imaging;
using PixioCuda.Imaging.Resampling;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Skia;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The resize on the device against the CPU's, which is held to Pillow's own pixels: not a bit may differ.</summary>
public sealed class PreprocessKernelTests
{
    private static readonly PixelNormalization Published = new(1 / 255.0, [0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);

    public static TheoryData<int, int, int, int> Sizes => new()
    {
        // width, height, resized width, resized height
        { 1, 1, 1, 1 }, { 1, 7, 5, 3 }, { 7, 1, 3, 5 }, { 33, 65, 16, 16 }, { 16, 16, 33, 47 }, { 300, 41, 64, 48 }, { 900, 3, 2, 2 }, { 40, 300, 130, 9 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Random_pictures_come_out_as_on_the_CPU(int width, int height, int resizedWidth, int resizedHeight)
    {
        byte[] pixels = new byte[3 * width * height];
        new Random(width + height).NextBytes(pixels);
        PixelRectangle all = new(0, 0, resizedWidth, resizedHeight);
        Check(pixels, width, height, resizedWidth, resizedHeight, all, seeds: 8);
        if (resizedWidth > 2 && resizedHeight > 2)
            Check(pixels, width, height, resizedWidth, resizedHeight, new(1, 2, resizedWidth - 2, resizedHeight - 2), seeds: 1);
    }

    [Fact]
    public void The_reference_pictures_come_out_as_on_the_CPU()
    {
        SkiaImageDecoder decoder = new();
        foreach (string path in Directory.EnumerateFiles(TestData.Path("images")).Where(IsPicture).Order(StringComparer.Ordinal))
        {
            RgbImage image = decoder.Decode(File.ReadAllBytes(path), path, ImageDecodeOptions.Default);
            // The whole is 256 x 256; a strip of it shows the same, in a fraction of the time.
            Check(image.Pixels.ToArray(), image.Width, image.Height, 256, 256, new(100, 30, 40, 24), seeds: 1);
        }
    }

    public static TheoryData<string> ReferencePictures =>
        [.. Directory.EnumerateFiles(TestData.Path("images")).Where(IsPicture).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [Trait("Category", "Full width")]
    [MemberData(nameof(ReferencePictures))]
    public void The_pixel_values_of_a_whole_reference_picture_are_the_processors_bits(string name)
    {
        string path = TestData.Path("images", name);
        RgbImage image = new SkiaImageDecoder().Decode(File.ReadAllBytes(path), path, ImageDecodeOptions.Default);
        float[] expected = new float[3 * 256 * 256];
        new ImageProcessor(ImageRecipe.Hf(256, 256)).Process(image, expected);
        byte[] planes = Resize(
            image.Pixels.ToArray(), image.Width, image.Height, 256, 256, new(0, 0, 256, 256), Published, seed: 1, checkTraffic: false);
        Assert.True(
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(expected.AsSpan()).SequenceEqual(planes),
            $"The pixel values of {name} differ from the CPU's.");
    }

    [Fact]
    public void Normalised_planes_are_the_processors_bits()
    {
        const int Width = 50, Height = 31, Size = 20;
        byte[] pixels = new byte[3 * Width * Height];
        new Random(3).NextBytes(pixels);
        float[] expected = new float[3 * Size * Size];
        new ImageProcessor(ImageRecipe.Hf(Size, Size)).Process(new RgbImage(Width, Height, pixels), expected);
        byte[] planes = Resize(pixels, Width, Height, Size, Size, new(0, 0, Size, Size), Published, seed: 5);
        Assert.Equal(expected, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(planes.AsSpan()).ToArray());
    }

    private static bool IsPicture(string path) => Path.GetExtension(path) is ".jpg" or ".png" or ".bmp" or ".gif";

    private static void Check(byte[] pixels, int width, int height, int resizedWidth, int resizedHeight, PixelRectangle kept, ulong seeds)
    {
        byte[] expected = new byte[3 * kept.Width * kept.Height];
        new BicubicResizer().Resize(pixels, width, height, resizedWidth, resizedHeight, kept, expected);
        for (ulong seed = 1; seed <= seeds; seed++)
            Assert.Equal(expected, Resize(pixels, width, height, resizedWidth, resizedHeight, kept, null, seed));
    }

    private static byte[] Resize(
        byte[] pixels, int width, int height, int resizedWidth, int resizedHeight, PixelRectangle kept, PixelNormalization? normalization, ulong seed,
        bool checkTraffic = true)
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        Emulator.SetSeed(seed);
        using DeviceResizeAxis horizontal = new(device, Axis(width, resizedWidth, kept.Left, kept.Width));
        using DeviceResizeAxis vertical = new(device, Axis(height, resizedHeight, kept.Top, kept.Height));
        int rowCount = vertical.Axis.InputEnd - vertical.Axis.InputStart;
        using DeviceMemory<byte> source = Numbers.Upload(device, pixels);
        using DeviceMemory<byte> rows = device.Allocate<byte>((long)rowCount * ResizeRowsConfig.Pitch(kept.Width));
        using DeviceMemory<byte> output = device.Allocate<byte>(3L * kept.Width * kept.Height * (normalization is null ? 1 : sizeof(float)));
        ResizeRowsKernel horizontally = new(device);
        ResizeColumnsKernel vertically = new(device, planes: normalization is not null);
        _ = Emulator.TakeTraffic();
        horizontally.Launch(stream, source.Pointer, width, height, horizontal.Table, vertical.Axis.InputStart, rowCount, rows.Pointer);
        stream.Synchronize();
        if (checkTraffic)
            TrafficAssert.IsAsDeclared(horizontally.Config.Work(horizontal.Axis, rowCount));
        vertically.Launch(stream, rows.Pointer, kept.Width, vertical.Table, normalization ?? PixelNormalization.None, output.Pointer);
        stream.Synchronize();
        // In a row of the result that is no whole sectors, each of a warp's up to four accesses shares a sector with each neighbour.
        long accesses = 4L * 3 * ((kept.Width + ResizeColumnsConfig.Pixels - 1) / ResizeColumnsConfig.Pixels) * kept.Height;
        if (checkTraffic)
            TrafficAssert.IsAsDeclared(vertically.Config.Work(vertical.Axis, kept.Width), 3 * kept.Width % 32 == 0 ? 0 : 64 * accesses);
        return Numbers.Download(device, output);
    }

    private static ResizeAxis Axis(int inputSize, int outputSize, int cropStart, int cropSize)
    {
        BicubicAxis axis = new(inputSize, outputSize, cropStart, cropSize);
        return new ResizeAxis([.. axis.First], [.. axis.Count], axis.Weights, axis.Stride);
    }
}
