namespace PixioCuda.Imaging.Resampling;

/// <summary>A part of a picture, in pixels.</summary>
internal readonly record struct PixelRectangle(int Left, int Top, int Width, int Height);
