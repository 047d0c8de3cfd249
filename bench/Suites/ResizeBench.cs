using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Imaging;

namespace PixioCuda.Bench.Suites;

/// <summary>Pillow's bicubic resize of 1024 x 1024 to 256 x 256, on one thread.</summary>
public class ResizeBench : ICountsWork
{
    private const int From = 1024;
    private const int To = 256;

    private readonly ImageProcessor _processor = new(ImageRecipe.Hf(To, To));
    private readonly byte[] _resized = new byte[3 * To * To];
    private RgbImage _square = new(1, 1, new byte[3]);

    Work ICountsWork.Work => new(0, 3.0 * ((From * From) + (To * To)));

    /// <summary>Makes a ramp from left to right; resized, it must be one again.</summary>
    [GlobalSetup]
    public void Setup()
    {
        byte[] ramp = new byte[3 * From * From];
        for (int i = 0; i < ramp.Length; i++)
            ramp[i] = (byte)(i / 3 % From / (From / 256));
        _square = new RgbImage(From, From, ramp);
        Resize();
        for (int i = 0; i < _resized.Length; i++)
            StepBench.Require(_resized[i], i / 3 % To, 1.0 / 256, "a pixel of the resized ramp");
    }

    /// <summary>The whole picture.</summary>
    [Benchmark]
    public void Resize() => _processor.Resize(_square, _resized);
}
