using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>softmax(q k^T / sqrt(head size)) v, for a few queries at a time: the scores of one tile of queries are all that is ever
/// stored, unless a tap wants the probabilities.</summary>
internal sealed unsafe class AttentionStep<TKernel, TVector> : CpuStep
    where TKernel : IMicroKernel
    where TVector : struct, IFloatVector<TVector>
{
    // Tokens between the one that is read and the one that is fetched: a few hundred cycles of work.
    private const int PrefetchDistance = 8;

    private readonly AttentionShape _shape;
    private readonly CpuOperand _qkv;
    private readonly CpuOperand? _output;
    private readonly CpuOperand? _probabilities;

    // Where each head's probabilities go among those wanted, or -1.
    private readonly int[] _probabilityIndex;
    private readonly int _probabilityHeads;
    private readonly long _scratchOffset;
    private readonly float _scale;
    private readonly PackWork _packWork;
    private readonly QueryWork _queryWork;

    private MatrixView _qkvView;
    private MatrixView _outputView;
    private MatrixView _probabilitiesView;
    private float* _scratch;
    private int _firstHead;

    public AttentionStep(AttentionShape shape, CpuOperand qkv, CpuOperand? output, CpuOperand? probabilities, IReadOnlyList<int> heads, long scratchOffset)
    {
        _shape = shape;
        _qkv = qkv;
        _output = output;
        _probabilities = probabilities;
        _probabilityIndex = [.. Enumerable.Range(0, shape.Heads).Select(head => probabilities is null ? -1 : IndexOf(heads, head))];
        _probabilityHeads = heads.Count;
        _scratchOffset = scratchOffset;
        _scale = (float)(1 / Math.Sqrt(shape.HeadSize));
        _packWork = new PackWork(this);
        _queryWork = new QueryWork(this);
    }

    private int HiddenSize => _shape.Heads * _shape.HeadSize;

    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        _qkvView = _qkv.In(memory);
        _outputView = _output is CpuOperand output ? output.In(memory) : default;
        _probabilitiesView = _probabilities is CpuOperand probabilities ? probabilities.In(memory) : default;
        _scratch = (float*)(memory.Arena + _scratchOffset);
        int heads = _shape.Batch * _shape.Heads;
        for (_firstHead = 0; _firstHead < heads; _firstHead += _shape.HeadsPerGroup)
        {
            int group = Math.Min(_shape.HeadsPerGroup, heads - _firstHead);
            pool.Run(_packWork, group);
            pool.Run(_queryWork, group * _shape.TasksPerHead);
        }
    }

    private static void Prefetch(float* from, int length)
    {
        if (!Sse.IsSupported)
            return;
        for (float* end = from + length; from < end; from += AlignedBuffer.Alignment / sizeof(float))
            Sse.Prefetch0(from);
    }

    private static int IndexOf(IReadOnlyList<int> heads, int head)
    {
        for (int index = 0; index < heads.Count; index++)
        {
            if (heads[index] == head)
                return index;
        }

        return -1;
    }

    private float* PackedKeys(int slot) => _scratch + (slot * (_shape.KeysLength + _shape.ValuesLength));

    private float* PackedValues(int slot) => PackedKeys(slot) + _shape.KeysLength;

    /// <summary>Lays a head's keys and values out as panels.</summary>
    private sealed class PackWork(AttentionStep<TKernel, TVector> step) : IParallelWork
    {
        public void Execute(int task, int worker)
        {
            AttentionShape shape = step._shape;
            int picture = (step._firstHead + task) / shape.Heads, head = (step._firstHead + task) % shape.Heads;
            float* keys = step._qkvView.At(picture * shape.Tokens, step.HiddenSize + (head * shape.HeadSize));
            float* values = keys + step.HiddenSize;
            // The mean key stands for a moment where the values will be.
            float* mean = step.PackedValues(task);
            MeanKey(shape, keys, 3 * step.HiddenSize, mean);
            PackKeys(shape, keys, 3 * step.HiddenSize, mean, step.PackedKeys(task));
            PackValues(shape, values, 3 * step.HiddenSize, step.PackedValues(task));
        }

        private static void MeanKey(AttentionShape shape, float* keys, int stride, float* mean)
        {
            new Span<float>(mean, shape.HeadSize).Clear();
            for (int token = 0; token < shape.Tokens; token++, keys += stride)
            {
                // The values of the same token lie behind the model's keys; both are read for the first time since they were written.
                Prefetch(keys + (PrefetchDistance * stride), shape.HeadSize);
                Prefetch(keys + (PrefetchDistance * stride) + (shape.Heads * shape.HeadSize), shape.HeadSize);
                int k = 0;
                for (; k <= shape.HeadSize - Vector<float>.Count; k += Vector<float>.Count)
                    (Vector.Load(mean + k) + Vector.Load(keys + k)).Store(mean + k);
                for (; k < shape.HeadSize; k++)
                    mean[k] += keys[k];
            }

            for (int k = 0; k < shape.HeadSize; k++)
                mean[k] /= shape.Tokens;
        }

        /// <summary>Packs the keys less their mean. That takes the same amount from all scores of a query, which the softmax does not see;
        /// but where massive activations make the keys alike, it is nearly all of a score, and its rounding would be the largest error of
        /// the probabilities.</summary>
        private static void PackKeys(AttentionShape shape, float* keys, int stride, float* mean, float* packed)
        {
            for (int key = 0; key < shape.Tokens;)
            {
                int panelColumns = shape.PanelWidth(key, shape.Tokens);
                int panelLength = shape.HeadSize * panelColumns;
                int count = Math.Min(panelColumns, shape.Tokens - key);
                Span<float> panel = new(packed, panelLength);
                if (count < panelColumns)
                    panel.Clear();
                ReadOnlySpan<float> rows = new(keys + ((long)key * stride), ((count - 1) * stride) + shape.HeadSize);
                Transpose.Run(rows, stride, count, shape.HeadSize, panel, panelColumns);
                for (int k = 0; k < shape.HeadSize; k++)
                {
                    Vector<float> offset = new(mean[k]);
                    for (float* lane = packed + (k * panelColumns), end = lane + panelColumns; lane < end; lane += Vector<float>.Count)
                        (Vector.Load(lane) - offset).Store(lane);
                }

                key += panelColumns;
                packed += panelLength;
            }
        }

        private static void PackValues(AttentionShape shape, float* values, int stride, float* packed)
        {
            for (int column = 0; column < shape.HeadSize;)
            {
                int panelColumns = shape.PanelWidth(column, shape.HeadSize);
                int count = Math.Min(panelColumns, shape.HeadSize - column);
                for (int token = 0; token < shape.Tokens; token++, packed += panelColumns)
                    CopyPadded(values + ((long)token * stride) + column, count, packed, panelColumns);
                column += panelColumns;
            }
        }

        /// <summary>Copies a row and fills it up with zeros.</summary>
        private static void CopyPadded(float* from, int count, float* to, int paddedCount)
        {
            int index = 0;
            for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
                Vector.Load(from + index).Store(to + index);
            for (; index < paddedCount; index++)
                to[index] = index < count ? from[index] : 0;
        }
    }

    /// <summary>Runs a few tiles of queries of one head.</summary>
    private sealed class QueryWork(AttentionStep<TKernel, TVector> step) : IParallelWork
    {
        private readonly AttentionShape _shape = step._shape;

        public void Execute(int task, int worker)
        {
            int slot = task / _shape.TasksPerHead;
            int picture = (step._firstHead + slot) / _shape.Heads, head = (step._firstHead + slot) % _shape.Heads;
            float* queries = step._scratch + (_shape.HeadsPerGroup * (_shape.KeysLength + _shape.ValuesLength)) + (worker * _shape.WorkerLength);
            float* scores = queries + _shape.QueryTileLength;
            float* tile = scores + _shape.ScoresLength;
            float* sums = tile + (TKernel.Rows * TKernel.Columns);

            int firstRow = task % _shape.TasksPerHead * _shape.RowsPerTask;
            int endRow = Math.Min(firstRow + _shape.RowsPerTask, _shape.QueryTokens);
            for (int row = firstRow; row < endRow; row += TKernel.Rows)
            {
                int rows = Math.Min(TKernel.Rows, endRow - row);
                LoadQueries(picture, head, row, rows, queries);
                if (row + TKernel.Rows < endRow)
                    PrefetchQueries(picture, head, row + TKernel.Rows, Math.Min(TKernel.Rows, endRow - row - TKernel.Rows));
                Scores(queries, step.PackedKeys(slot), scores);
                for (int index = 0; index < rows; index++)
                    sums[index] = Softmax(scores + (index * KChunk.Length));
                if (step._probabilityIndex[head] >= 0)
                    StoreProbabilities(picture, step._probabilityIndex[head], row, rows, scores, sums);
                if (step._output is not null)
                    Context(picture, head, row, rows, scores, sums, step.PackedValues(slot), tile);
            }
        }

        private float* Query(int picture, int head, int row) =>
            step._qkvView.At((picture * _shape.Tokens) + row, head * _shape.HeadSize);

        private void LoadQueries(int picture, int head, int row, int rows, float* queries)
        {
            MatrixView tile = new(queries, TKernel.Rows, _shape.HeadSize, CpuLayout.KChunked);
            for (int index = 0; index < rows; index++)
                tile.Write(index, 0, new ReadOnlySpan<float>(Query(picture, head, row + index), _shape.HeadSize));
        }

        /// <summary>Fetches the next tile's queries while this one's are multiplied.</summary>
        private void PrefetchQueries(int picture, int head, int row, int rows)
        {
            for (int index = 0; index < rows; index++)
                Prefetch(Query(picture, head, row + index), _shape.HeadSize);
        }

        /// <summary>scores [key chunk, tile rows, 256] = queries * keys^T, not yet scaled.</summary>
        private void Scores(float* queries, float* keys, float* scores)
        {
            for (int key = 0; key < _shape.Tokens;)
            {
                int width = _shape.PanelWidth(key, _shape.Tokens);
                // A panel of keys never crosses a chunk of scores: 256 is a multiple of its width.
                float* to = scores + Offset(key / KChunk.Length) + (key % KChunk.Length);
                for (int chunk = 0; chunk < _shape.HeadChunks; chunk++)
                {
                    int depth = KChunk.LengthOf(chunk, _shape.HeadSize);
                    float* query = queries + ((long)chunk * TKernel.Rows * KChunk.Length);
                    Multiply(query, keys, depth, to, KChunk.Length, width, accumulate: chunk > 0);
                    keys += depth * width;
                }

                key += width;
            }
        }

        private static void Multiply(float* a, float* b, int depth, float* tile, nint stride, int width, bool accumulate)
        {
            if (width == TKernel.Columns)
                TKernel.Multiply(a, b, depth, tile, stride, accumulate, next: a, far: (byte*)a, farStep: 0);
            else
                TKernel.MultiplyNarrow(a, b, depth, tile, stride, accumulate);
        }

        /// <summary>Replaces a row of scores by e^(scale * (score - maximum)) and gives their sum.</summary>
        private float Softmax(float* row)
        {
            float maximum = float.NegativeInfinity;
            for (int chunk = 0; chunk < _shape.KeyChunks; chunk++)
                maximum = MathF.Max(maximum, Maximum(row + Offset(chunk), KChunk.LengthOf(chunk, _shape.Tokens)));

            float sum = 0;
            for (int chunk = 0; chunk < _shape.KeyChunks; chunk++)
                sum += Exponentiate(row + Offset(chunk), KChunk.LengthOf(chunk, _shape.Tokens), maximum);
            return sum;
        }

        private static long Offset(int chunk) => (long)chunk * TKernel.Rows * KChunk.Length;

        private static float Maximum(float* values, int count)
        {
            // A NaN may be left out here: the exponentials bring it into the sum, and from there into the whole row.
            TVector lowest = TVector.Create(float.NegativeInfinity), lanes = lowest, others = lowest;
            int index = 0;
            for (; index <= count - (2 * TVector.Count); index += 2 * TVector.Count)
            {
                lanes = TVector.MaxNative(lanes, TVector.Load(values + index));
                others = TVector.MaxNative(others, TVector.Load(values + index + TVector.Count));
            }

            for (; index < count; index += TVector.Count)
                lanes = TVector.MaxNative(lanes, TVector.SelectFirst(count - index, TVector.Load(values + index), lowest));
            return TVector.Maximum(TVector.MaxNative(lanes, others));
        }

        /// <summary>A row has room for whole vectors; what is behind the scores is neither read as one nor missed.</summary>
        private float Exponentiate(float* values, int count, float maximum)
        {
            // Rounding maximum * scale moves all exponents of the row alike, which the division by their sum undoes.
            TVector offset = TVector.Create(-maximum * step._scale), scale = TVector.Create(step._scale), zero = TVector.Create(0);
            Vector256<float> sum = Vector256<float>.Zero;
            int index = 0;
            for (; index <= count - TVector.Count; index += TVector.Count)
            {
                TVector exponential = VectorMath.ExpOfNegative(TVector.FusedMultiplyAdd(TVector.Load(values + index), scale, offset));
                exponential.Store(values + index);
                sum = TVector.Accumulate(sum, exponential, index);
            }

            if (index < count)
            {
                TVector exponential = VectorMath.ExpOfNegative(TVector.FusedMultiplyAdd(TVector.Load(values + index), scale, offset));
                exponential.Store(values + index);
                sum = TVector.Accumulate(sum, TVector.SelectFirst(count - index, exponential, zero), index);
            }

            return Vector256.Sum(sum);
        }

        private void StoreProbabilities(int picture, int index, int row, int rows, float* scores, float* sums)
        {
            long firstRow = (((long)picture * step._probabilityHeads) + index) * _shape.Tokens;
            for (int tileRow = 0; tileRow < rows; tileRow++)
            {
                float* to = step._probabilitiesView.Data + ((firstRow + row + tileRow) * _shape.Tokens);
                float scale = 1 / sums[tileRow];
                for (int key = 0; key < _shape.Tokens; key++)
                    to[key] = scores[Offset(key / KChunk.Length) + (tileRow * KChunk.Length) + (key % KChunk.Length)] * scale;
            }
        }

        private void Context(int picture, int head, int row, int rows, float* scores, float* sums, float* values, float* tile)
        {
            for (int column = 0; column < _shape.HeadSize;)
            {
                int width = _shape.PanelWidth(column, _shape.HeadSize);
                for (int chunk = 0; chunk < _shape.KeyChunks; chunk++)
                {
                    int depth = KChunk.LengthOf(chunk, _shape.Tokens);
                    Multiply(scores + Offset(chunk), values, depth, tile, width, width, accumulate: chunk > 0);
                    values += depth * width;
                }

                int columns = Math.Min(width, _shape.HeadSize - column);
                for (int index = 0; index < rows; index++)
                {
                    float* context = tile + (index * width);
                    Vector<float> scale = new(1 / sums[index]);
                    for (int lane = 0; lane < width; lane += Vector<float>.Count)
                        (Vector.Load(context + lane) * scale).Store(context + lane);
                    step._outputView.Write((picture * _shape.QueryTokens) + row + index, (head * _shape.HeadSize) + column, new ReadOnlySpan<float>(context, columns));
                }

                column += width;
            }
        }
    }
}
