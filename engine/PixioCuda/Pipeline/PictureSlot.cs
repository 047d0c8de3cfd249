using System.Buffers;
using PixioCuda.Imaging;

namespace PixioCuda.Pipeline;

/// <summary>A picture that is still to be resized, and how.</summary>
internal sealed record DecodedPicture(RgbImage Image, ResizeAxes Axes);

/// <summary>A picture's place in the order, from the source to the engine.</summary>
internal sealed class PictureSlot(PictureEntry entry, long number) : IDisposable
{
    private readonly ManualResetEventSlim _ready = new();

    public PictureEntry Entry => entry;

    /// <summary>Its number in the order, from 0.</summary>
    public long Number => number;

    /// <summary>Set before it is decoded where the source had to read it in order.</summary>
    public EncodedPicture? Encoded { get; set; }

    /// <summary>The memory that it holds of <see cref="PictureMemory"/>.</summary>
    public long HeldBytes { get; set; }

    public Exception? Failure { get; set; }

    public ReadOnlyMemory<byte> ContentHash { get; set; }

    /// <summary>Whether it is a picture that the encoder can run.</summary>
    public bool IsPicture { get; private set; }

    /// <summary>Height and width of its pixel values.</summary>
    public ImageSize Size { get; private set; }

    /// <summary>[3, Height, Width] at the beginning of memory that is rented, where the CPU made them; null when they were taken.</summary>
    public float[]? Pixels { get; private set; }

    /// <summary>The picture, where a GPU is to make its pixel values; null when it was taken.</summary>
    public DecodedPicture? Decoded { get; private set; }

    /// <summary>Makes it a picture with pixel values.</summary>
    public void Set(ImageSize size, float[] pixels) => (IsPicture, Size, Pixels) = (true, size, pixels);

    /// <summary>Makes it a picture of which a GPU is to make pixel values.</summary>
    public void Set(ImageSize size, DecodedPicture decoded) => (IsPicture, Size, Decoded) = (true, size, decoded);

    /// <summary>Lets go of the picture, which is in its batch.</summary>
    public void Release()
    {
        if (Pixels is { } pixels)
            ArrayPool<float>.Shared.Return(pixels);
        (Pixels, Decoded) = (null, null);
    }

    /// <summary>Says that nothing more will happen to it.</summary>
    public void MarkReady() => _ready.Set();

    /// <summary>Waits until nothing more will happen to it.</summary>
    public void Wait(CancellationToken cancellationToken) => _ready.Wait(cancellationToken);

    public void Dispose() => _ready.Dispose();
}
