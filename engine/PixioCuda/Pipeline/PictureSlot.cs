namespace PixioCuda.Pipeline;

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

    /// <summary>Height and width of <see cref="Pixels"/>.</summary>
    public ImageSize Size { get; set; }

    /// <summary>[3, Height, Width] at the beginning of memory that is rented; null for what is not or no picture.</summary>
    public float[]? Pixels { get; set; }

    /// <summary>Says that nothing more will happen to it.</summary>
    public void MarkReady() => _ready.Set();

    /// <summary>Waits until nothing more will happen to it.</summary>
    public void Wait(CancellationToken cancellationToken) => _ready.Wait(cancellationToken);

    public void Dispose() => _ready.Dispose();
}
