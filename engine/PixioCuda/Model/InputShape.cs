using System.Globalization;

namespace PixioCuda;

/// <summary>The shape of a run's input, row-major: <c>pixel_values</c> [Batch, C, Height, Width] of float32, where C is the model's, or bytes
/// [Batch, Height, Width, 3].</summary>
/// <param name="Batch">B, the number of pictures.</param>
/// <param name="Size">Height and width in pixels, multiples of the patch size.</param>
public readonly record struct InputShape(int Batch, ImageSize Size)
{
    /// <summary>How the pixels come: float32 values that are normalised, unless it says otherwise.</summary>
    public PixelFormat Pixels { get; init; }

    /// <summary>"2x256x256": batch, height, width; "2x256x256 bytes" where pixels come as bytes.</summary>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Batch}x{Size}{(Pixels == PixelFormat.U8 ? " bytes" : "")}");
}
