using PixioCuda.Graph;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

namespace PixioCuda.Cuda;

/// <summary>A model's weights on a device: matrices [rows, depth] in the precision's element type, vectors in float32, all in one
/// allocation.</summary>
internal sealed class CudaWeights : IDisposable
{
    private const int Alignment = 256;

    private readonly Dictionary<WeightKey, (long Offset, ElementType Type)> _places = [];
    private DeviceMemory<byte>? _memory;

    private CudaWeights() { }

    /// <summary>The bytes of device memory that the weights take.</summary>
    public long ByteCount { get; private set; }

    /// <summary>A weight that is multiplied with.</summary>
    public DevicePointer<byte> Matrix(WeightKey key) => _memory!.Pointer[_places[key].Offset];

    /// <summary>A weight that is added or scaled with.</summary>
    public DevicePointer<float> Vector(WeightKey key) => _memory!.Pointer[_places[key].Offset].As<float>();

    /// <summary>Streams all weights to the device.</summary>
    /// <exception cref="ModelFormatException">The checkpoint cannot be read to its end.</exception>
    /// <exception cref="CudaException">The device has too little memory, or fails.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CudaWeights Load(
        EncoderWeights source, PixioConfig config, GpuDevice device, Precision precision, long ringByteCount,
        IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        CudaWeights weights = new();
        try
        {
            foreach ((WeightKey key, bool isMatrix) in Keys(config))
                weights.Place(key, source.Parts(key).Sum(part => part.ElementCount), isMatrix ? precision.Element() : ElementType.F32);
            weights._memory = device.Allocate<byte>(weights.ByteCount);
            WeightRing ring = new(device, ringByteCount);
            List<WeightChunk> chunks = [.. weights._places.SelectMany(place => weights.Chunks(source.Parts(place.Key), place.Value, ring))];
            ring.Stream(source.Source, chunks, Report(chunks, weights.ByteCount, progress), cancellationToken);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    public void Dispose() => _memory?.Dispose();

    private static IEnumerable<(WeightKey Key, bool IsMatrix)> Keys(PixioConfig config)
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

    private void Place(WeightKey key, long elementCount, ElementType type)
    {
        _places.Add(key, (ByteCount, type));
        ByteCount = checked((ByteCount + (elementCount * type.ByteCount()) + Alignment - 1) / Alignment * Alignment);
    }

    /// <summary>The parts of a weight, stacked one behind the other, in stretches that fit the ring.</summary>
    private IEnumerable<WeightChunk> Chunks(IReadOnlyList<TensorInfo> parts, (long Offset, ElementType Type) place, WeightRing ring)
    {
        long offset = place.Offset;
        foreach (TensorInfo part in parts)
        {
            int most = ring.ChunkElements(part.DType);
            for (long first = 0; first < part.ElementCount; first += most)
            {
                int count = (int)Math.Min(most, part.ElementCount - first);
                yield return new WeightChunk(part, first, count, _memory!.Pointer[offset], place.Type);
                offset += (long)count * place.Type.ByteCount();
            }
        }
    }
}
