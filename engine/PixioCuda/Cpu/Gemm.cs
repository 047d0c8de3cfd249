using PixioCuda.Weights;

namespace PixioCuda.Cpu;

/// <summary>What happens to a finished tile of a product.</summary>
internal unsafe interface IEpilogue
{
    /// <summary>Fetches what <see cref="Store"/> will read and write into the cache; the tile is multiplied meanwhile.</summary>
    void Prefetch(int row, int rows, int column);

    /// <summary>Takes a tile over.</summary>
    /// <param name="tile">[rows, panel columns], may be overwritten.</param>
    /// <param name="row">The tile's first row in the product.</param>
    /// <param name="rows">The rows of the tile that exist.</param>
    /// <param name="column">The tile's first column in the product.</param>
    /// <param name="columns">The columns of the tile that exist.</param>
    void Store(float* tile, int row, int rows, int column, int columns);
}

/// <summary>The memory in which the threads multiply: for each a stripe of the product that it sums up, and a chunk of a panel that it widens.</summary>
internal static class GemmScratch
{
    /// <summary>The elements of one thread's stripe: [block rows, panel columns].</summary>
    public static int StripeLength(int rows, CpuTarget target) => GemmTasks.RowsOfBlock(rows, target) * target.PanelColumns;

    /// <summary>The elements of one chunk of a panel in float32.</summary>
    public static int WidenedLength(CpuTarget target) => KChunk.Length * target.PanelColumns;

    public static long ByteCount(int rows, CpuTarget target) =>
        (long)target.ThreadCount * (StripeLength(rows, target) + WidenedLength(target)) * sizeof(float);
}

/// <summary>product [m, n] = A [m, k] * weight [n, k] transposed, cut up by <see cref="GemmTasks"/>; each
/// element is summed in chunks of 256 along k, in one order whatever the batch and the number of threads. Of a weight in half precision each
/// chunk of a panel is widened once for all rows of the block: that costs about a hundredth of multiplying with it, and the product's bits
/// are those of a float32 weight with the same values.</summary>
internal sealed unsafe class Gemm<TKernel, TEpilogue>(CpuTarget target) : IParallelWork
    where TKernel : IMicroKernel
    where TEpilogue : struct, IEpilogue
{
    private MatrixView _a;
    private PackedMatrix? _weight;
    private float* _scratch;
    private int _rows;
    private GemmTasks _tasks;
    private TEpilogue _epilogue;

    /// <summary>Runs the product on the pool.</summary>
    /// <param name="pool">Where to run.</param>
    /// <param name="a">[m, k] in <see cref="CpuLayout.KChunked"/>.</param>
    /// <param name="rows">m.</param>
    /// <param name="weight">[n, k].</param>
    /// <param name="scratch"><see cref="GemmScratch.ByteCount"/> bytes.</param>
    /// <param name="epilogue">Takes the tiles.</param>
    public void Run(WorkerPool pool, MatrixView a, int rows, PackedMatrix weight, float* scratch, TEpilogue epilogue)
    {
        _a = a;
        _weight = weight;
        _rows = rows;
        _scratch = scratch;
        _tasks = new GemmTasks(rows, weight.PanelCount, target);
        _epilogue = epilogue;
        pool.Run(this, _tasks.Count);
    }

    public void Execute(int task, int worker)
    {
        PackedMatrix weight = _weight!;
        (int panel, int firstRow, int endRow) = _tasks.At(task);
        if (firstRow >= endRow)
            return;
        int nextPanel = _tasks.At((task + target.ThreadCount) % _tasks.Count).Panel;
        float* widened = _scratch + ((long)worker * (GemmScratch.WidenedLength(target) + GemmScratch.StripeLength(_rows, target)));
        float* stripe = widened + GemmScratch.WidenedLength(target);
        byte* stored = weight.Panel(panel);
        int chunks = KChunk.Count(weight.Depth);
        int tiles = (endRow - firstRow + TKernel.Rows - 1) / TKernel.Rows;
        (int column, int columns) = weight.PanelRows(panel);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            int depth = KChunk.LengthOf(chunk, weight.Depth);
            bool isLast = chunk == chunks - 1;
            float* a = _a.Data + (chunk * _a.ChunkStride) + ((long)firstRow * KChunk.Length);
            float* firstOfNextChunk = isLast ? a : a + _a.ChunkStride;
            float* tile = stripe;

            // The weight comes from memory, each byte once: its next chunk is fetched bit by bit while this one is multiplied. Behind the
            // last chunk comes the first one of the panel that this thread is likely to have next.
            byte* storedEnd = stored + (depth * weight.StepByteCount);
            byte* far = isLast ? weight.Panel(nextPanel) : storedEnd;
            int steps = tiles * depth, farDepth = KChunk.LengthOf(isLast ? 0 : chunk + 1, weight.Depth);
            nint farStep = ((farDepth * weight.StepByteCount) + steps - 1) / steps;
            float* b = weight.Type == DType.F32 ? (float*)stored : Widen(weight.Type, stored, depth * TKernel.Columns, widened);
            for (int row = firstRow; row < endRow; row += TKernel.Rows)
            {
                int rows = Math.Min(TKernel.Rows, endRow - row);
                if (isLast)
                    _epilogue.Prefetch(row, rows, column);
                float* next = row + TKernel.Rows < endRow ? a + (TKernel.Rows * KChunk.Length) : firstOfNextChunk;
                TKernel.Multiply(a, b, depth, tile, TKernel.Columns, accumulate: chunk > 0, next, far, farStep);
                far += farStep * depth;
                if (isLast)
                    _epilogue.Store(tile, row, rows, column, columns);

                a += TKernel.Rows * KChunk.Length;
                tile += TKernel.Rows * TKernel.Columns;
            }

            stored = storedEnd;
        }
    }

    private static float* Widen(DType type, byte* stored, int count, float* widened)
    {
        TensorConversion.ToFloat32(type, new ReadOnlySpan<byte>(stored, count * type.ElementBytes()), new Span<float>(widened, count));
        return widened;
    }
}
