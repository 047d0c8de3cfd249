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

    /// <summary>The columns of a panel that begins at a column: fewer where few are left.</summary>
    public int PanelWidth(int column, int columns) => columns - column > Target.NarrowColumns ? Target.PanelColumns : Target.NarrowColumns;

    public int KeyChunks => KChunk.Count(Tokens);

    public int HeadChunks => KChunk.Count(HeadSize);

    /// <summary>Packed keys of a head: panels of keys, each [head size, panel columns].</summary>
    public long KeysLength => (long)Padded(Tokens) * HeadSize;

    /// <summary>Packed values of a head: panels of the head, each [tokens, panel columns].</summary>
    public long ValuesLength => (long)Padded(HeadSize) * Tokens;

    public long QueryTileLength => (long)HeadChunks * Target.TileRows * KChunk.Length;

    public long ScoresLength => (long)KeyChunks * Target.TileRows * KChunk.Length;

    /// <summary>A thread's queries, scores, one tile, and the sums of its rows.</summary>
    public long WorkerLength => QueryTileLength + ScoresLength + ((long)Target.TileRows * Target.PanelColumns) + SumsLength;

    /// <summary>Columns rounded up to whole panels, the last of which may be narrow.</summary>
    private int Padded(int columns)
    {
        int last = columns / Target.PanelColumns * Target.PanelColumns;
        return last == columns ? columns : last + PanelWidth(last, columns);
    }

    private static int SumsLength => AlignedBuffer.Alignment / sizeof(float);

    public long ScratchByteCount =>
        checked(((HeadsPerGroup * (KeysLength + ValuesLength)) + (Target.ThreadCount * WorkerLength)) * sizeof(float));
}
