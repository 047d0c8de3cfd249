using System.Globalization;
using PixioCuda.Graph;
using PixioCuda.Weights;

namespace PixioCuda.Cpu;

/// <summary>A model's weights as the kernels read them: matrices packed into panels, vectors as they are.</summary>
internal sealed class CpuWeights : IDisposable
{
    private readonly Dictionary<WeightKey, PackedMatrix> _matrices = [];
    private readonly Dictionary<WeightKey, AlignedBuffer> _vectors = [];

    private CpuWeights() { }

    /// <summary>Whether matrices are kept in two bytes an element.</summary>
    public bool HoldsHalfPrecision => _matrices.Values.Any(matrix => matrix.Type != DType.F32);

    /// <summary>The bytes of native memory that the weights take.</summary>
    public long ByteCount { get; private set; }

    /// <summary>A weight that is multiplied with.</summary>
    public PackedMatrix Matrix(WeightKey key) => _matrices[key];

    /// <summary>A weight that is added or scaled with, filled up with zeros to whole panels.</summary>
    public AlignedBuffer Vector(WeightKey key) => _vectors[key];

    /// <summary>Reads all weights, several threads at a time; beyond the weights themselves each thread keeps one panel or two in memory.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="config">The encoder.</param>
    /// <param name="inMemory">What matrices are kept as: <see cref="DType.F32"/>; or <see cref="DType.BF16"/> for two bytes an element, where BF16
    /// and F16 stay as they are stored, bit for bit, and F32 is rounded to nearest BF16. Vectors are always float32.</param>
    /// <param name="target">Chooses the panels.</param>
    /// <param name="pool">Reads and packs.</param>
    /// <param name="progress">Told about every 16 MB.</param>
    /// <param name="cancellationToken">Stops the loading.</param>
    /// <exception cref="ModelFormatException">The checkpoint cannot be read to its end.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static CpuWeights Load(
        EncoderWeights source, PixioConfig config, DType inMemory, CpuTarget target, WorkerPool pool, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        CpuWeights weights = new();
        try
        {
            weights.Allocate(source, config, inMemory, target);
            foreach ((WeightKey key, AlignedBuffer vector) in weights._vectors)
                FillVector(source, key, vector);
            PackWork work = new(source, weights, target.ThreadCount, progress, cancellationToken);
            try
            {
                pool.Run(work, work.TaskCount);
            }
            catch (AggregateException exception) when (exception.InnerException is Exception inner)
            {
                // The caller's business is with what went wrong, not with the thread on which it did.
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(inner);
            }

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
        foreach (PackedMatrix matrix in _matrices.Values)
            matrix.Dispose();
        foreach (AlignedBuffer vector in _vectors.Values)
            vector.Dispose();
    }

    private static DType TypeInMemory(IReadOnlyList<TensorInfo> parts, DType inMemory)
    {
        bool hasHalf = parts.Any(part => part.DType == DType.F16);
        if (inMemory == DType.F32 || !hasHalf)
            return inMemory;
        // Neither type holds the values of the other: where both are stacked in one matrix, only float32 loses nothing.
        return parts.All(part => part.DType == DType.F16) ? DType.F16 : DType.F32;
    }

    private void Allocate(EncoderWeights source, PixioConfig config, DType inMemory, CpuTarget target)
    {
        int d = config.HiddenSize, m = config.MlpSize;
        AddMatrix(WeightRole.PatchWeight, -1, d, config.PatchElements);
        AddVector(WeightRole.PatchBias, -1, d);
        AddVector(WeightRole.ClsToken, -1, (long)config.ClassTokens * d);
        AddVector(WeightRole.PosEmbed, -1, (long)config.PositionCount * d);
        for (int layer = 0; layer < config.HiddenLayers; layer++)
        {
            AddVector(WeightRole.Norm1Weight, layer, d);
            AddVector(WeightRole.Norm1Bias, layer, d);
            AddMatrix(WeightRole.QkvWeight, layer, 3 * d, d);
            if (config.QkvBias)
                AddVector(WeightRole.QkvBias, layer, 3 * d);
            AddMatrix(WeightRole.ProjWeight, layer, d, d);
            AddVector(WeightRole.ProjBias, layer, d);
            AddVector(WeightRole.Norm2Weight, layer, d);
            AddVector(WeightRole.Norm2Bias, layer, d);
            AddMatrix(WeightRole.Fc1Weight, layer, m, d);
            AddVector(WeightRole.Fc1Bias, layer, m);
            AddMatrix(WeightRole.Fc2Weight, layer, d, m);
            AddVector(WeightRole.Fc2Bias, layer, d);
        }

        AddVector(WeightRole.LayerNormWeight, -1, d);
        AddVector(WeightRole.LayerNormBias, -1, d);

        void AddMatrix(WeightRole role, int layer, int rows, int depth)
        {
            WeightKey key = new(role, layer);
            PackedMatrix matrix = new(rows, depth, target, TypeInMemory(source.Parts(key), inMemory));
            _matrices.Add(key, matrix);
            ByteCount += matrix.ByteCount;
        }

        void AddVector(WeightRole role, int layer, long length)
        {
            long padded = (length + target.PanelColumns - 1) / target.PanelColumns * target.PanelColumns;
            AlignedBuffer vector = new(padded * sizeof(float));
            _vectors.Add(new WeightKey(role, layer), vector);
            ByteCount += vector.ByteCount;
        }
    }

    private static unsafe void FillVector(EncoderWeights source, WeightKey key, AlignedBuffer vector)
    {
        IReadOnlyList<TensorInfo> parts = source.Parts(key);
        Span<float> floats = new(vector.Floats, checked((int)(vector.ByteCount / sizeof(float))));
        int length = checked((int)parts.Sum(part => part.ElementCount));
        source.ReadRows(parts, 0, 1, floats[..length]);
        floats[length..].Clear();
    }

    /// <summary>One task is one panel of one matrix.</summary>
    private sealed class PackWork : IParallelWork
    {
        private readonly EncoderWeights _source;
        private readonly IProgress<LoadProgress>? _progress;
        private readonly CancellationToken _cancellationToken;
        private readonly List<(PackedMatrix Matrix, IReadOnlyList<TensorInfo> Parts, int FirstTask)> _matrices = [];
        private readonly float[][] _rows;
        private readonly float[][] _transposed;
        private readonly long _totalByteCount;
        private long _loadedByteCount;

        public PackWork(EncoderWeights source, CpuWeights weights, int threadCount, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
        {
            _source = source;
            _progress = progress;
            _cancellationToken = cancellationToken;
            _totalByteCount = weights.ByteCount;
            _loadedByteCount = weights._vectors.Values.Sum(vector => vector.ByteCount);
            int longest = 0, longestHalf = 0;
            foreach ((WeightKey key, PackedMatrix matrix) in weights._matrices)
            {
                _matrices.Add((matrix, source.Parts(key), TaskCount));
                TaskCount += matrix.PanelCount;
                longest = Math.Max(longest, checked(matrix.PanelColumns * matrix.Depth));
                if (matrix.Type != DType.F32)
                    longestHalf = longest;
            }

            _rows = [.. Enumerable.Range(0, threadCount).Select(_ => new float[longest])];
            _transposed = [.. Enumerable.Range(0, threadCount).Select(_ => new float[longestHalf])];
        }

        public int TaskCount { get; }

        public void Execute(int task, int worker)
        {
            _cancellationToken.ThrowIfCancellationRequested();
            int index = _matrices.FindLastIndex(entry => entry.FirstTask <= task);
            (PackedMatrix matrix, IReadOnlyList<TensorInfo> parts, int firstTask) = _matrices[index];
            int panel = task - firstTask;
            (int first, int count) = matrix.PanelRows(panel);
            Span<float> rows = _rows[worker].AsSpan(0, count * matrix.Depth);
            _source.ReadRows(parts, first, matrix.Depth, rows);
            if (matrix.Type == DType.BF16)
                RequireRange(parts, rows);
            matrix.PackPanel(panel, rows, _transposed[worker]);

            long panelByteCount = matrix.ByteCount / matrix.PanelCount;
            long loaded = Interlocked.Add(ref _loadedByteCount, panelByteCount);
            // Every 16 MB is often enough for a progress bar.
            if (_progress is not null && (loaded >> 24 != (loaded - panelByteCount) >> 24 || loaded == _totalByteCount))
                _progress.Report(new LoadProgress(loaded, _totalByteCount));
        }

        private void RequireRange(IReadOnlyList<TensorInfo> parts, ReadOnlySpan<float> values)
        {
            int index = TensorConversion.FindOverflow(DType.BF16, values);
            if (index < 0)
                return;
            string value = values[index].ToString(CultureInfo.InvariantCulture);
            throw new ModelFormatException(
                $"The tensor {MessageText.Quote(parts[0].Name)} of '{_source.Source.Description}' holds {value}, which BF16 cannot hold: it would become "
                + "infinite. Keep the weights in memory as F32.");
        }
    }
}
