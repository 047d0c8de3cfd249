using System.Numerics;
using PixioCuda.Graph;

namespace PixioCuda.Cpu;

/// <summary>The sizes of an attention op, and of the memory it works in.</summary>
/// <param name="Batch">B.</param>
/// <param name="Tokens">T, keys and values.</param>
/// <param name="QueryTokens">The first tokens, whose context is wanted.</param>
/// <param name="Heads">h.</param>
/// <param name="HeadSize">d / h.</param>
/// <param name="Target">Chooses tiles and panels.</param>
internal sealed record AttentionShape(int Batch, int Tokens, int QueryTokens, int Heads, int HeadSize, CpuTarget Target)
{
    // Tiles of queries that a task takes: enough to make up for fetching the head's keys and values.
    private const int TilesPerTask = 4;

    public static AttentionShape Of(AttentionOp op, CpuTarget target) =>
        new(op.Qkv.Shape[0], op.Qkv.Shape[1], op.QueryTokens, op.HeadCount, op.Qkv.Columns / 3 / op.HeadCount, target);

    /// <summary>Heads (of any picture of the batch) that are packed before their queries run; bounds the scratch memory.</summary>
    public int HeadsPerGroup => Math.Min(checked(Batch * Heads), 8 * Target.ThreadCount);

    public int RowsPerTask => TilesPerTask * Target.TileRows;

    public int TasksPerHead => (QueryTokens + RowsPerTask - 1) / RowsPerTask;

    public int KeyPanels => Target.PanelCount(Tokens);

    public int ValuePanels => Target.PanelCount(HeadSize);

    public int KeyChunks => KChunk.Count(Tokens);

    public int HeadChunks => KChunk.Count(HeadSize);

    /// <summary>Packed keys of a head: panels of keys, each [head size, panel columns].</summary>
    public long KeysLength => (long)KeyPanels * HeadSize * Target.PanelColumns;

    /// <summary>Packed values of a head: panels of the head, each [tokens, panel columns].</summary>
    public long ValuesLength => (long)ValuePanels * Tokens * Target.PanelColumns;

    public long QueryTileLength => (long)HeadChunks * Target.TileRows * KChunk.Length;

    public long ScoresLength => (long)KeyChunks * Target.TileRows * KChunk.Length;

    /// <summary>A thread's queries, scores, one tile, and the sums of its rows.</summary>
    public long WorkerLength => QueryTileLength + ScoresLength + ((long)Target.TileRows * Target.PanelColumns) + SumsLength;

    private static int SumsLength => AlignedBuffer.Alignment / sizeof(float);

    public long ScratchByteCount =>
        checked(((HeadsPerGroup * (KeysLength + ValuesLength)) + (Target.ThreadCount * WorkerLength)) * sizeof(float));
}

/// <summary>softmax(q k^T / sqrt(head size)) v, for a few queries at a time: the scores of one tile of queries are all that is ever
/// stored, unless a tap wants the probabilities.</summary>
internal sealed unsafe class AttentionStep<TKernel> : CpuStep
    where TKernel : IMicroKernel
{
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
    private sealed class PackWork(AttentionStep<TKernel> step) : IParallelWork
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
            int k = 0;
            for (; k <= shape.HeadSize - Vector<float>.Count; k += Vector<float>.Count)
            {
                Vector<float> sum = Vector<float>.Zero;
                for (float* key = keys + k, end = key + ((long)shape.Tokens * stride); key < end; key += stride)
                    sum += Vector.Load(key);
                (sum / new Vector<float>(shape.Tokens)).Store(mean + k);
            }

            for (; k < shape.HeadSize; k++)
            {
                float sum = 0;
                for (float* key = keys + k, end = key + ((long)shape.Tokens * stride); key < end; key += stride)
                    sum += *key;
                mean[k] = sum / shape.Tokens;
            }
        }

        /// <summary>Packs the keys less their mean. That takes the same amount from all scores of a query, which the softmax does not see;
        /// but where massive activations make the keys alike, it is nearly all of a score, and its rounding would be the largest error of
        /// the probabilities.</summary>
        private static void PackKeys(AttentionShape shape, float* keys, int stride, float* mean, float* packed)
        {
            int panelColumns = TKernel.Columns;
            int panelLength = shape.HeadSize * panelColumns;
            for (int key = 0; key < shape.Tokens; key += panelColumns, packed += panelLength)
            {
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
            }
        }

        private static void PackValues(AttentionShape shape, float* values, int stride, float* packed)
        {
            int panelColumns = TKernel.Columns;
            for (int column = 0; column < shape.HeadSize; column += panelColumns)
            {
                int count = Math.Min(panelColumns, shape.HeadSize - column);
                for (int token = 0; token < shape.Tokens; token++, packed += panelColumns)
                    CopyPadded(values + ((long)token * stride) + column, count, packed, panelColumns);
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
    private sealed class QueryWork(AttentionStep<TKernel> step) : IParallelWork
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
                Scores(queries, step.PackedKeys(slot), scores);
                for (int index = 0; index < rows; index++)
                    sums[index] = Softmax(scores + (index * KChunk.Length));
                if (step._probabilityIndex[head] >= 0)
                    StoreProbabilities(picture, step._probabilityIndex[head], row, rows, scores, sums);
                if (step._output is not null)
                    Context(picture, head, row, rows, scores, sums, step.PackedValues(slot), tile);
            }
        }

        private void LoadQueries(int picture, int head, int row, int rows, float* queries)
        {
            MatrixView tile = new(queries, TKernel.Rows, _shape.HeadSize, CpuLayout.KChunked);
            for (int index = 0; index < rows; index++)
            {
                float* query = step._qkvView.At((picture * _shape.Tokens) + row + index, head * _shape.HeadSize);
                tile.Write(index, 0, new ReadOnlySpan<float>(query, _shape.HeadSize));
            }
        }

        /// <summary>scores [key chunk, tile rows, 256] = queries * keys^T, not yet scaled.</summary>
        private void Scores(float* queries, float* keys, float* scores)
        {
            for (int key = 0; key < _shape.Tokens; key += TKernel.Columns)
            {
                // A panel of keys never crosses a chunk of scores: 256 is a multiple of its width.
                float* to = scores + Offset(key / KChunk.Length) + (key % KChunk.Length);
                for (int chunk = 0; chunk < _shape.HeadChunks; chunk++)
                {
                    int depth = KChunk.LengthOf(chunk, _shape.HeadSize);
                    float* query = queries + ((long)chunk * TKernel.Rows * KChunk.Length);
                    TKernel.Multiply(query, keys, depth, to, KChunk.Length, accumulate: chunk > 0, next: query);
                    keys += depth * TKernel.Columns;
                }
            }
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
            int index = 0;
            Vector<float> lanes = new(float.NegativeInfinity);
            for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
                lanes = Vector.MaxNative(lanes, Vector.Load(values + index));
            float maximum = float.NegativeInfinity;
            for (int lane = 0; lane < Vector<float>.Count; lane++)
                maximum = lanes[lane] > maximum ? lanes[lane] : maximum;
            for (; index < count; index++)
                maximum = values[index] > maximum ? values[index] : maximum;
            return maximum;
        }

        private float Exponentiate(float* values, int count, float maximum)
        {
            // Rounding maximum * scale moves all exponents of the row alike, which the division by their sum undoes.
            Vector<float> offset = new(-maximum * step._scale), scale = new(step._scale), sum = Vector<float>.Zero;
            int index = 0;
            for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
            {
                Vector<float> exponential = VectorMath.ExpOfNegative(Vector.FusedMultiplyAdd(Vector.Load(values + index), scale, offset));
                exponential.Store(values + index);
                sum += exponential;
            }

            float total = Vector.Sum(sum);
            for (; index < count; index++)
            {
                values[index] = VectorMath.ExpOfNegative(Vector.FusedMultiplyAdd(new Vector<float>(values[index]), scale, offset))[0];
                total += values[index];
            }

            return total;
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
            for (int column = 0; column < _shape.HeadSize; column += TKernel.Columns)
            {
                for (int chunk = 0; chunk < _shape.KeyChunks; chunk++)
                {
                    int depth = KChunk.LengthOf(chunk, _shape.Tokens);
                    TKernel.Multiply(scores + Offset(chunk), values, depth, tile, TKernel.Columns, accumulate: chunk > 0, next: tile);
                    values += depth * TKernel.Columns;
                }

                int columns = Math.Min(TKernel.Columns, _shape.HeadSize - column);
                for (int index = 0; index < rows; index++)
                {
                    float* context = tile + (index * TKernel.Columns);
                    Vector<float> scale = new(1 / sums[index]);
                    for (int lane = 0; lane < TKernel.Columns; lane += Vector<float>.Count)
                        (Vector.Load(context + lane) * scale).Store(context + lane);
                    step._outputView.Write((picture * _shape.QueryTokens) + row + index, (head * _shape.HeadSize) + column, new ReadOnlySpan<float>(context, columns));
                }
            }
        }
    }
}
