using PixioCuda.Hub;
using PixioCuda.Imaging;

namespace PixioCuda;

/// <summary>How a model is loaded.</summary>
public sealed record PixioModelOptions
{
    /// <summary>"auto" or "cpu". With "auto", <see cref="PixioModel.Device"/> says which device was taken and why.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>How many threads the CPU backend uses, the calling one included; null for one on every core that the process may use.</summary>
    public int? Threads { get; init; }

    /// <summary>What decodes pictures; null for <see cref="StbImageDecoder"/>.</summary>
    public IImageDecoder? Decoder { get; init; }

    /// <summary>Limits for pictures that nobody vouches for.</summary>
    public ImageDecodeOptions DecodeOptions { get; init; } = ImageDecodeOptions.Default;

    /// <summary>How pictures are resized and cropped: <see cref="ImageRecipe.HfName"/> or <see cref="ImageRecipe.MetaKnnName"/>.</summary>
    public string Recipe { get; init; } = ImageRecipe.HfName;

    /// <summary>The size that pictures are resized to; null for what the recipe says.</summary>
    public ImageSize? Resize { get; init; }

    /// <summary>How a model on the hub is found and downloaded; null for what the environment says.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>The width of the vectors that the CPU kernels use (512, 256 or 128); null for the widest of this machine. For tests.</summary>
    internal int? VectorBits { get; init; }
}
