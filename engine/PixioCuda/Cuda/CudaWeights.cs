using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

namespace PixioCuda.Cuda;

/// <summary>A model's weights on a device: matrices [rows, depth] in the precision's element type, vectors in float32, all in one
/// allocation.</summary>
internal sealed class CudaWeights : IDisposable
{
    private const int Alignment = 256;

    private readonly Dictionary<WeightKey, Placed> _places = [];
    private readonly Dictionary<WeightKey, long> _rowSums = [];
    private readonly GpuDevice _device;
    private readonly Dictionary<string, DeviceMemory<uint>> _constants = [];
    private DeviceMemory<byte>? _memory;
    private CudaBytePatch? _bytePatch;

    private CudaWeights(GpuDevice device) => _device = device;

    /// <summary>The bytes of device memory that the weights take.</summary>
    public long ByteCount { get; private set; }

    /// <summary>The patch projection for pixels that come as bytes; of a model that takes pictures of three channels.</summary>
    public CudaBytePatch BytePatch => _bytePatch ?? throw new InvalidOperationException("This model takes no bytes.");

    /// <summary>A weight that is multiplied with.</summary>
    public DevicePointer<byte> Matrix(WeightKey key) => _memory!.Pointer[_places[key].Offset];

    /// <summary>A weight that is added or scaled with.</summary>
    public DevicePointer<float> Vector(WeightKey key) => _memory!.Pointer[_places[key].Offset].As<float>();

    /// <summary>The sums of the rows of a weight that has taken a LayerNorm in.</summary>
    public DevicePointer<float> RowSums(WeightKey matrix) => _memory!.Pointer[_rowSums[matrix]].As<float>();

    /// <summary>The shape of the patch embedding, as far as the model says it.</summary>
    public static PatchEmbedShape PatchShape(PixioConfig config, Precision precision) => new(
        1, config.Channels, config.ImageSize.Height, config.ImageSize.Width, config.PatchSize.Height, config.PatchSize.Width, config.ClassTokens,
        config.HiddenSize, PixelType.F32, precision.Element(), ElementType.F32);

    /// <summary>Numbers that a launch needs beside the weights, kept as long as they are; the same numbers once.</summary>
    public DevicePointer<uint> Constant(uint[] values)
    {
        string key = string.Join(',', values);
        lock (_constants)
        {
            if (_constants.TryGetValue(key, out DeviceMemory<uint>? known))
                return known.Pointer;
            DeviceMemory<uint> memory = _device.Allocate<uint>(values.Length);
            try
            {
                _device.Upload(memory, (ReadOnlySpan<uint>)values);
            }
            catch
            {
                memory.Dispose();
                throw;
            }

            _constants.Add(key, memory);
            return memory.Pointer;
        }
    }

    /// <summary>Streams all weights to the device, those that take a LayerNorm in behind these.</summary>
    /// <exception cref="ModelFormatException">The checkpoint cannot be read to its end.</exception>
    /// <exception cref="CudaException">The device has too little memory, or fails.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CudaWeights Load(
        EncoderWeights source, PixioConfig config, PixelScale scale, GpuDevice device, Precision precision, LayerNormFolding? folding,
        long ringByteCount, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        CudaWeights weights = new(device);
        try
        {
            PatchEmbedShape patch = PatchShape(config, precision);
            foreach ((WeightKey key, bool isMatrix) in Keys(config))
            {
                // The patch projection's rows are padded on the device, from a float32 copy that is let go of afterwards.
                bool isPadded = key.Role == WeightRole.PatchWeight && patch.WeightPitch != patch.PatchElements;
                long elements = isPadded ? (long)patch.Columns * patch.WeightPitch : source.Parts(key).Sum(part => part.ElementCount);
                weights.Place(key, elements, isMatrix ? precision.Element() : ElementType.F32);
            }

            List<WeightKey> stored = [.. weights._places.Keys];
            FoldedMatrix[] folded = [.. folding?.Matrices() ?? []];
            foreach (FoldedMatrix matrix in folded)
                weights.PlaceFolded(matrix, source.Parts(matrix.Weight).Sum(part => part.Shape[0]));
            weights._memory = device.Allocate<byte>(weights.ByteCount);
            if (config.Channels == PixelScale.ChannelCount)
            {
                weights._bytePatch = CudaBytePatch.Load(source, patch, scale, device, cancellationToken);
                weights.ByteCount += weights._bytePatch.ByteCount;
            }

            // Pinning takes time: a small model takes no more than it needs.
            HashSet<WeightKey> norms = [.. folded.SelectMany(matrix => new[] { matrix.NormWeight, matrix.NormBias, matrix.Bias })];
            ILookup<bool, WeightKey> isNorm = stored.ToLookup(norms.Contains);
            WeightRing normRing = new(device, Math.Min(ringByteCount, StoredBytes(source, isNorm[true])));
            WeightRing ring = new(
                device, Math.Min(ringByteCount, StoredBytes(source, stored)), folded.Length == 0 ? 0 : config.HiddenSize * sizeof(float));
            Dictionary<WeightKey, WeightFold> folds = folded.ToDictionary(
                matrix => matrix.Weight, matrix => weights.Fold(matrix, config.HiddenSize));
            List<WeightChunk> first = [.. isNorm[true].SelectMany(key => weights.Chunks(source, key, null, normRing))];
            List<WeightChunk> chunks =
                [.. isNorm[false].SelectMany(key => weights.Chunks(source, key, folds.GetValueOrDefault(key), ring))];
            Action<int>? report = Report([.. first, .. chunks], weights.ByteCount, progress);
            if (!config.QkvBias)
                weights.ClearBiases(folded.Select(matrix => matrix.Bias).Except(stored), 3 * config.HiddenSize);
            normRing.Stream(source.Source, first, report, cancellationToken);
            if (patch.WeightPitch == patch.PatchElements)
                ring.Stream(source.Source, chunks, report, cancellationToken);
            else
                weights.StreamWithPadding(source, patch, ring, chunks, report, cancellationToken);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (DeviceMemory<uint> constant in _constants.Values)
            constant.Dispose();
        _bytePatch?.Dispose();
        _memory?.Dispose();
    }

    /// <summary>Streams all weights, the patch projection to a copy whose rows are then padded into place.</summary>
    private void StreamWithPadding(
        EncoderWeights source, PatchEmbedShape patch, WeightRing ring, List<WeightChunk> chunks, Action<int>? report,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<TensorInfo> parts = source.Parts(new(WeightRole.PatchWeight));
        using DeviceMemory<byte> copy = _device.Allocate<byte>((long)patch.Columns * patch.PatchElements * sizeof(float));
        chunks.RemoveAll(chunk => parts.Contains(chunk.Tensor));
        chunks.AddRange(Chunks(parts, copy.Pointer, ElementType.F32, null, ring));
        ring.Stream(source.Source, chunks, report, cancellationToken);
        using GpuStream stream = _device.CreateStream();
        ConvertShape shape = new(patch.Columns, patch.PatchElements, patch.WeightPitch, ElementType.F32, patch.Element);
        new ConvertKernel(_device, ConvertKernel.SelectConfig(shape)).Launch(stream, shape, copy.Pointer, Matrix(new(WeightRole.PatchWeight)));
        stream.Synchronize();
    }

    /// <summary>Every weight of an encoder, and whether it is multiplied with.</summary>
    internal static IEnumerable<(WeightKey Key, bool IsMatrix)> Keys(PixioConfig config)
    {
        foreach (WeightRole role in new[] { WeightRole.PatchWeight, WeightRole.PatchBias, WeightRole.ClsToken, WeightRole.PosEmbed })
            yield return (new(role), role == WeightRole.PatchWeight);
        for (int layer = 0; layer < config.HiddenLayers; layer++)
        {
            for (WeightRole role = WeightRole.Norm1Weight; role <= WeightRole.Fc2Bias; role++)
            {
                if (role != WeightRole.QkvBias || config.QkvBias)
                    yield return (new(role, layer), role is WeightRole.QkvWeight or WeightRole.ProjWeight or WeightRole.Fc1Weight or WeightRole.Fc2Weight);
            }
        }

        yield return (new(WeightRole.LayerNormWeight), false);
        yield return (new(WeightRole.LayerNormBias), false);
    }

    private static Action<int>? Report(List<WeightChunk> chunks, long byteCount, IProgress<LoadProgress>? progress)
    {
        if (progress is null)
            return null;
        long total = chunks.Sum(chunk => (long)chunk.Count), done = 0;
        return count => progress.Report(new LoadProgress((long)((double)Interlocked.Add(ref done, count) / total * byteCount), byteCount));
    }

    private sealed record Placed(long Offset, ElementType Type);

    private void Place(WeightKey key, long elementCount, ElementType type)
    {
        _places.Add(key, new Placed(ByteCount, type));
        ByteCount = checked((ByteCount + (elementCount * type.ByteCount()) + Alignment - 1) / Alignment * Alignment);
    }

    /// <summary>A place for what a matrix that takes a LayerNorm in needs beside its stored weights.</summary>
    private void PlaceFolded(FoldedMatrix matrix, long rows)
    {
        _rowSums.Add(matrix.Weight, ByteCount);
        ByteCount = checked((ByteCount + (rows * sizeof(float)) + Alignment - 1) / Alignment * Alignment);
        if (!_places.ContainsKey(matrix.Bias))
            Place(matrix.Bias, rows, ElementType.F32);
    }

    private WeightFold Fold(FoldedMatrix matrix, int columns)
        => new(columns, Vector(matrix.NormWeight), Vector(matrix.NormBias), RowSums(matrix.Weight), Vector(matrix.Bias));

    /// <summary>Biases that a model does not have, and that the norms' are added to.</summary>
    private void ClearBiases(IEnumerable<WeightKey> biases, int rows)
    {
        using GpuStream stream = _device.CreateStream();
        foreach (WeightKey key in biases)
            _device.MemsetAsync(stream, Vector(key), 0, rows);
        stream.Synchronize();
    }

    private static long StoredBytes(EncoderWeights source, IEnumerable<WeightKey> keys)
        => keys.Sum(key => source.Parts(key).Sum(part => part.ByteCount()));

    private IEnumerable<WeightChunk> Chunks(EncoderWeights source, WeightKey key, WeightFold? fold, WeightRing ring)
        => Chunks(source.Parts(key), _memory!.Pointer[_places[key].Offset], _places[key].Type, fold, ring);

    /// <summary>The parts of a weight, stacked one behind the other, in stretches that fit the ring; of whole rows, where it takes a
    /// LayerNorm in.</summary>
    private static IEnumerable<WeightChunk> Chunks(
        IReadOnlyList<TensorInfo> parts, DevicePointer<byte> destination, ElementType type, WeightFold? fold, WeightRing ring)
    {
        foreach (TensorInfo part in parts)
        {
            int most = ring.ChunkElements(part.DType);
            if (fold is not null)
                most = most / fold.Columns * fold.Columns;
            for (long first = 0; first < part.ElementCount; first += most)
            {
                int count = (int)Math.Min(most, part.ElementCount - first);
                yield return new WeightChunk(part, first, count, destination, type, fold);
                destination = destination[(long)count * type.ByteCount()];
                fold = fold?.Behind(count / fold.Columns);
            }
        }
    }
}
