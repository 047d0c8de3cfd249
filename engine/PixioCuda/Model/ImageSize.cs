using System.Globalization;

namespace PixioCuda;

/// <summary>A height and a width in pixels, or in patches where a grid is meant.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public readonly record struct ImageSize(int Height, int Width)
{
    /// <summary>A square.</summary>
    public ImageSize(int side) : this(side, side) { }

    /// <summary>A square, as an integer in <c>config.json</c> means it.</summary>
    public static implicit operator ImageSize(int side) => new(side);

    /// <summary>Height times width.</summary>
    public long Area => (long)Height * Width;

    /// <summary>"256x192": height first, as everywhere in this library.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Height}x{Width}");
}
