using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Imaging;
using PixioCuda.Skia;
using SkiaSharp;

namespace PixioCuda.Bench.Suites;

/// <summary>From a JPEG of 640 x 480 to pixel values, on one thread.</summary>
public class PictureBench : ICountsWork
{
    private readonly SkiaImageDecoder _skia = new();
    private readonly StbImageDecoder _stb = new();
    private readonly ImageProcessor _processor = new(ImageRecipe.Hf(256, 256));
    private readonly float[] _pixels = new float[3 * 256 * 256];
    private byte[] _encoded = [];
    private RgbImage _decoded = new(1, 1, new byte[3]);

    Work ICountsWork.Work => default;

    /// <summary>Reads the picture; the decoders must agree on it as far as two JPEG decoders do.</summary>
    [GlobalSetup]
    public void Setup()
    {
        string path = Path.Combine(Repository.Root, "tests", "data", "images", "big-2048.jpg");
        using (var photo = SKBitmap.Decode(path))
        using (SKBitmap smaller = photo.Resize(new SKSizeI(640, 480), new SKSamplingOptions(SKCubicResampler.Mitchell)))
        using (SKData jpeg = smaller.Encode(SKEncodedImageFormat.Jpeg, quality: 90))
            _encoded = jpeg.ToArray();
        _decoded = _skia.Decode(_encoded, path);
        ReadOnlySpan<byte> skia = _decoded.Pixels.Span, stb = _stb.Decode(_encoded, path).Pixels.Span;
        double difference = 0;
        for (int i = 0; i < skia.Length; i++)
            difference += Math.Abs(skia[i] - stb[i]) / (double)skia.Length;
        StepBench.Require(difference, 0, 0.2, "mean difference of the decoders");
    }

    /// <summary>Decode by Skia, resize, normalise.</summary>
    [Benchmark]
    public void DecodeAndPreprocess() => _processor.Process(_skia.Decode(_encoded, "photo.jpg"), _pixels);

    /// <summary>Decode by Skia (libjpeg-turbo).</summary>
    [Benchmark]
    public RgbImage DecodeBySkia() => _skia.Decode(_encoded, "photo.jpg");

    /// <summary>Decode by StbImageSharp.</summary>
    [Benchmark]
    public RgbImage DecodeByStb() => _stb.Decode(_encoded, "photo.jpg");

    /// <summary>Resize 640 x 480 to 256 x 256 and normalise.</summary>
    [Benchmark]
    public void Preprocess() => _processor.Process(_decoded, _pixels);
}
