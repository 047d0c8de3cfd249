using Microsoft.Extensions.Logging;
using PixioCuda.Hub;
using PixioCuda.Imaging;
using PixioCuda.Weights;

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

    /// <summary>Whether products of few rows (up to some pictures of 256 x 256) may sum in other orders, which takes less time. Outputs are
    /// then as accurate, and the same bits whenever the same batch is run on the same GPU, but a picture's bits may depend on its batch:
    /// with <see cref="SplitBatches"/> on the parts, with <c>EmbedAsync</c> on who else asks. Only our own products in half precision on
    /// compute capability 9.0 have such a way; everywhere else it has no effect, and <see cref="PixioModel.Device"/> does not name it.</summary>
    public bool Fast { get; init; }

    /// <summary>How many runs a CUDA device does at a time, each with a stream and memory of its own; later callers wait.</summary>
    public int CudaSessions { get; init; } = 2;

    /// <summary>The pinned host memory, in bytes, through which weights are streamed to a CUDA device.</summary>
    public long WeightRingByteCount { get; init; } = 64 << 20;

    /// <summary>Whether a batch that does not fit into a CUDA device's memory is run in parts that do, rather than ending in a
    /// <see cref="DeviceMemoryException"/>. The results are the same bits, unless <see cref="Fast"/> is set; a run in parts allocates
    /// managed memory.</summary>
    public bool SplitBatches { get; init; }

    /// <summary>Whether every run looks at its outputs and, where one holds NaN or infinity, ends in a <see cref="PixioException"/> that names
    /// the first block whose output is not finite. A run that leaves its outputs on the device then waits for them and copies them.</summary>
    public bool CheckFinite { get; init; }

    /// <summary>How many threads the CPU backend uses, the calling one included; null for one on every core that the process may use.</summary>
    public int? Threads { get; init; }

    /// <summary>What the CPU backend keeps weights as: <see cref="DType.F32"/>, or <see cref="DType.BF16"/> for half the memory at nearly the
    /// speed; null for F32. With BF16, matrices that are stored as BF16 or F16 stay what they are, bit for bit, and give the bits that F32 gives;
    /// those that are stored as F32 are rounded to nearest BF16, ties to even, which moves outputs by about half a percent. What is computed in is
    /// float32 either way. A CUDA device keeps weights in its <see cref="Precision"/>, and takes null alone.</summary>
    public DType? WeightsInMemory { get; init; }

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

    /// <summary>How <c>EmbedAsync</c> puts the pictures of concurrent callers together.</summary>
    public BatchingOptions Batching { get; init; } = new();

    /// <summary>What makes the logger "PixioCuda"; null for none.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>Finds what is wrong with the options before a model is loaded. (Whether there is such a device, and whether the model's
    /// pictures suit recipe and size, shows when it is.)</summary>
    /// <exception cref="ArgumentException">A value is out of range, two exclude each other, or there is no such recipe or device
    /// name.</exception>
    public void ThrowIfInvalid()
    {
        _ = DeviceChoice.Of(this);
        Batching.ThrowIfInvalid();
        if (Recipe is not (ImageRecipe.HfName or ImageRecipe.MetaKnnName))
            throw new ArgumentException($"There is no recipe '{Recipe}'. The recipes are {ImageRecipe.HfName} and {ImageRecipe.MetaKnnName}.");
    }

    /// <summary>The width of the vectors that the CPU kernels use (512, 256 or 128); null for the widest of this machine. For tests.</summary>
    internal int? VectorBits { get; init; }
}
