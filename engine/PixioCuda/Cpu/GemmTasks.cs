namespace PixioCuda.Cpu;

/// <summary>How a product is cut into tasks: a panel of the weight times a part of a block of rows. Blocks bound the memory of a task;
/// their parts are there so that no thread stands idle while the last panels are multiplied. Neither changes the product's bits.</summary>
internal readonly record struct GemmTasks
{
    /// <summary>The rows of A whose current chunk stays in the second-level cache (264 x 256 floats are 264 KB): 264 tokens of a 256 x 256
    /// picture are exactly one block.</summary>
    private const int BlockRows = 264;

    // What bringing a chunk of a panel into the first-level cache costs, in tiles: 32 KB at some tens of bytes a cycle beside 6144 cycles.
    private const double ChunkCost = 0.5;

    private readonly int _rows;
    private readonly int _panels;
    private readonly int _parts;
    private readonly int _partRows;
    private readonly int _blockRows;

    /// <summary>Cuts a product.</summary>
    /// <param name="rows">Rows of A.</param>
    /// <param name="panels">Panels of the weight.</param>
    /// <param name="target">Tiles and threads.</param>
    public GemmTasks(int rows, int panels, CpuTarget target)
    {
        _rows = rows;
        _panels = panels;
        _blockRows = RowsOfBlock(rows, target);
        int tiles = _blockRows / target.TileRows;
        long blocks = CeilDiv(rows, _blockRows);
        (_parts, double least) = (1, double.PositiveInfinity);
        for (int parts = 1; parts <= tiles; parts++)
        {
            int partTiles = (int)CeilDiv(tiles, parts);
            double time = CeilDiv(blocks * panels * parts, target.ThreadCount) * (partTiles + ChunkCost);
            if (time < least)
                (_parts, least) = (parts, time);
        }

        _partRows = (int)CeilDiv(tiles, _parts) * target.TileRows;
        // 22 tiles in 9 parts are 3 each: 8 parts have them all.
        _parts = (int)CeilDiv(_blockRows, _partRows);
        Count = checked((int)(blocks * panels * _parts));
    }

    /// <summary>How many tasks there are.</summary>
    public int Count { get; }

    /// <summary>The rows that a task can have at most, whole tiles: a thread's memory must be made for them.</summary>
    public static int RowsOfBlock(int rows, CpuTarget target) => target.PadRows(Math.Min(rows, BlockRows));

    /// <summary>A task's panel, and its rows; the last parts may have none. Tasks of one panel follow each other, so that its bytes come from
    /// memory once.</summary>
    public (int Panel, int FirstRow, int EndRow) At(int task)
    {
        int part = task % _parts, panel = task / _parts % _panels, block = task / _parts / _panels;
        int firstOfBlock = block * _blockRows, firstRow = firstOfBlock + (part * _partRows);
        return (panel, firstRow, Math.Min(Math.Min(firstRow + _partRows, firstOfBlock + _blockRows), _rows));
    }

    private static long CeilDiv(long value, long divisor) => (value + divisor - 1) / divisor;
}
