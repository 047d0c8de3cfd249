using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>A load that folds LayerNorms into weights, by way of a ring through which each weight goes in many stretches: what lies on the
/// device then, held against the stored numbers in double precision, and what the host pins for it. That a checkpoint of 21.8 GB takes no
/// more of the host's memory is shown by <see cref="LargeCheckpointTests"/>, where kernels do nothing.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed class FoldedLoadTests : IDisposable
{
    private const long RingByteCount = 128 << 10;

    private readonly string _folder = Directory.CreateTempSubdirectory("pixio-folded-load-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(PixioPrecision.BF16, "F32", true)]
    [InlineData(PixioPrecision.FP16, "BF16", true)]
    [InlineData(PixioPrecision.BF16, "BF16", false)]
    public void Every_weight_is_what_the_stored_numbers_and_its_norm_make_of_it(PixioPrecision precisionName, string stored, bool qkvBias)
    {
        Emulator.RequireEmulation();
        Precision precision = precisionName == PixioPrecision.BF16 ? Precision.BF16 : Precision.F16;
        PixioConfig config = new()
        {
            HiddenSize = 192,
            HiddenLayers = 3,
            AttentionHeads = 3,
            ImageSize = 32,
            QkvBias = qkvBias,
            OutIndices = [3],
        };
        SyntheticCheckpoint.Write(
            _folder, "random:folded@3", config, 3, Enum.Parse<DType>(stored), shardBytes: 1 << 20, overwrite: true);
        Emulator.LiveHandles none = Emulator.Live();
        using (GpuDevice device = Emulator.Open(new ComputeCapability(9, 0)))
        // The device's own staging buffer, which the first upload pins.
        using (Numbers.Upload(device, [0f]))
        using (PinWatch source = new(Checkpoint.Open(_folder)))
        {
            LayerNormFolding folding = LayerNormFolding.Of(config, precision, GemmProvider.Native, DeviceLimits.Of(device.Info))!;
            EncoderWeights weights = EncoderWeights.Bind(source, config);
            using CudaWeights loaded = CudaWeights.Load(
                weights, config, PixelScale.Published, device, precision, folding, RingByteCount, progress: null,
                TestContext.Current.CancellationToken);
            // Two rings follow each other: slots of the second are pinned when those of the first are free.
            Assert.True(source.MostPinned > 0 && source.MostPinned * source.LongestRead <= RingByteCount,
                $"{source.MostPinned} slots of {source.LongestRead} bytes and more are pinned, beyond a ring of {RingByteCount}.");
            Dictionary<WeightKey, FoldedMatrix> foldedBy = folding.Matrices().ToDictionary(matrix => matrix.Weight);
            Assert.Equal(2 * (config.HiddenLayers - 1), foldedBy.Count);
            HashSet<WeightKey> foldedBiases = [.. foldedBy.Values.Select(matrix => matrix.Bias)];
            foreach ((WeightKey key, bool isMatrix) in CudaWeights.Keys(config).Where(weight => !foldedBiases.Contains(weight.Key)))
            {
                float[] values = Stored(weights, key);
                ElementType element = isMatrix ? precision.Element() : ElementType.F32;
                float[] actual = Download(device, loaded.Matrix(key), values.Length, element);
                if (foldedBy.TryGetValue(key, out FoldedMatrix? matrix))
                {
                    int rows = values.Length / config.HiddenSize;
                    float[] bias = matrix.Bias.Role == WeightRole.QkvBias && !qkvBias ? new float[rows] : Stored(weights, matrix.Bias);
                    FoldedRows.Check(
                        element, values, Stored(weights, matrix.NormWeight), Stored(weights, matrix.NormBias), bias, actual,
                        Download(device, loaded.RowSums(key).As<byte>(), rows, ElementType.F32),
                        Download(device, loaded.Vector(matrix.Bias).As<byte>(), rows, ElementType.F32));
                }
                else
                {
                    Assert.Equal(Numbers.Rounded(values, element), actual);
                }
            }
        }

        Assert.Equal(none, Emulator.Live());
    }

    /// <summary>All of a weight's numbers, its parts one behind the other.</summary>
    private static float[] Stored(EncoderWeights weights, WeightKey key)
    {
        float[] values = new float[weights.Parts(key).Sum(part => part.ElementCount)];
        weights.ReadRows(weights.Parts(key), 0, 1, values);
        return values;
    }

    private static float[] Download(GpuDevice device, DevicePointer<byte> from, int count, ElementType type)
    {
        byte[] bytes = new byte[count * type.ByteCount()];
        device.Download(from, bytes.AsSpan());
        return Numbers.FromBytes(bytes, type);
    }

    /// <summary>A checkpoint that looks at each read from it into pinned memory.</summary>
    private sealed class PinWatch(ITensorSource source) : ITensorSource
    {
        private readonly Lock _lock = new();
        private readonly ulong _pinnedBefore = Emulator.Live().PinnedAllocations;

        /// <summary>Of what is read into pinned memory, in bytes.</summary>
        public int LongestRead { get; private set; }

        /// <summary>The most pieces of pinned memory that there were at a read.</summary>
        public int MostPinned { get; private set; }

        public string Description => source.Description;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => source.Tensors;

        public bool IsRandom => source.IsRandom;

        public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
        {
            int pinned = (int)(Emulator.Live().PinnedAllocations - _pinnedBefore);
            lock (_lock)
            {
                MostPinned = Math.Max(MostPinned, pinned);
                if (pinned > 0)
                    LongestRead = Math.Max(LongestRead, destination.Length);
            }

            source.ReadBytes(tensor, byteOffset, destination);
        }

        public string FileOf(TensorInfo tensor) => source.FileOf(tensor);

        public void ThrowIfChanged() => source.ThrowIfChanged();

        public void Dispose() => source.Dispose();
    }
}
