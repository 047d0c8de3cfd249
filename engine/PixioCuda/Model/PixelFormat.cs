namespace PixioCuda;

/// <summary>How the pixels of a run's input come.</summary>
public enum PixelFormat
{
    /// <summary><c>pixel_values</c> [B, C, H, W] of float32, normalised: what <see cref="PixioModel.Preprocess(Imaging.RgbImage, Span{float})"/>
    /// gives.</summary>
    F32,

    /// <summary>[B, H, W, 3] of bytes, red first, as they leave resize and crop: what
    /// <see cref="PixioModel.Preprocess(Imaging.RgbImage, Span{byte})"/> gives. The model rescales and normalises them as its recipe says.
    /// On the CPU the results are those of <see cref="F32"/> to the bit; on CUDA the normalisation is folded into the patch projection, so
    /// that they differ from those within the rounding of the precision, while a fourth of the bytes cross the bus.</summary>
    U8,
}
