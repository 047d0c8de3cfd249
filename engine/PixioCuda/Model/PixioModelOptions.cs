using PixioCuda.Hub;
using PixioCuda.Imaging;

namespace PixioCuda;

/// <summary>How a model is loaded.</summary>
public sealed record PixioModelOptions
{
    /// <summary>"auto", "cpu", "cuda" for the first CUDA device, "cuda:1", or "GPU-" and a UUID. With "auto", <see cref="PixioModel.Device"/>
    /// says which device was taken and why.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>What to compute in; null for the device's default: bfloat16 on CUDA, float32 on the CPU, which has no other.</summary>
    public PixioPrecision? Precision { get; init; }

    /// <summary>What multiplies matrices on a CUDA device.</summary>
    public GemmProvider Gemm { get; init; }

    /// <summary>How many runs a CUDA device does at a time, each with a stream and memory of its own; later callers wait.</summary>
    public int CudaSessions { get; init; } = 2;

    /// <summary>The pinned host memory, in bytes, through which weights are streamed to a CUDA device.</summary>
    public long WeightRingByteCount { get; init; } = 64 << 20;

    /// <summary>Whether a batch that does not fit into a CUDA device's memory is run in parts that do, rather than ending in a
    /// <see cref="DeviceMemoryException"/>. The results are the same bits; a run in parts allocates managed memory.</summary>
    public bool SplitBatches { get; init; }

    /// <summary>Whether every run looks at its outputs and, where one holds NaN or infinity, ends in a <see cref="PixioException"/> that names
    /// the first block whose output is not finite. A run that leaves its outputs on the device then waits for them and copies them.</summary>
    public bool CheckFinite { get; init; }

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
