using System.Globalization;

namespace PixioCuda;

/// <summary>The shape of a run's input: <c>pixel_values</c> [Batch, C, Height, Width] of float32, row-major, where C is the model's.</summary>
/// <param name="Batch">B, the number of pictures.</param>
/// <param name="Size">Height and width in pixels, multiples of the patch size.</param>
public readonly record struct InputShape(int Batch, ImageSize Size)
{
    /// <summary>"2x256x256": batch, height, width.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Batch}x{Size}");
}
