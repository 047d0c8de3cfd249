using PixioCuda.Imaging;
using PixioCuda.Tests.Model;

namespace PixioCuda.Tests.Hosting;

/// <summary>The small reference model as hosts load it, and pictures for it.</summary>
internal static class SmallModel
{
    public static PixioModel Load(BatchingOptions? batching = null, IImageDecoder? decoder = null) => GoldenModels.Load(
        "tiny", new PixioModelOptions { Device = "cpu", Batching = batching ?? new BatchingOptions(), Decoder = decoder });

    /// <summary>Noise; another name gives another picture.</summary>
    public static RgbImage Picture(string name, int width = 70, int height = 50)
    {
        byte[] pixels = new byte[3 * width * height];
        float[] noise = Noise.Normal(name, pixels.Length);
        for (int i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)Math.Clamp(128 + (50 * noise[i]), 0, 255);
        return new RgbImage(width, height, pixels);
    }
}

/// <summary>A decoder that waits until it is let go, so that a test knows where a call is.</summary>
internal sealed class HeldDecoder : IImageDecoder, IDisposable
{
    private readonly ManualResetEventSlim _isReleased = new();
    private int _entered;

    /// <summary>How many calls have come.</summary>
    public int Entered => Volatile.Read(ref _entered);

    public void Release() => _isReleased.Set();

    public RgbImage Decode(ReadOnlySpan<byte> encoded, string name, ImageDecodeOptions? options = null)
    {
        Interlocked.Increment(ref _entered);
        _isReleased.Wait(TimeSpan.FromMinutes(2));
        return SmallModel.Picture(name);
    }

    public void Dispose() => _isReleased.Dispose();
}
