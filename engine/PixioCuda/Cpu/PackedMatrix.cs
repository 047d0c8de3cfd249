namespace PixioCuda.Cpu;

/// <summary>A weight [n, k] in the order in which the micro-kernel streams it: panels of a few columns of the transposed weight, each
/// [k, panel columns] dense; the last panel is filled up with zeros.</summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private readonly AlignedBuffer _buffer;

    /// <summary>Allocates; every panel is to be filled by <see cref="PackPanel"/>.</summary>
    public PackedMatrix(int rows, int depth, CpuTarget target)
    {
        Rows = rows;
        Depth = depth;
        PanelColumns = target.PanelColumns;
        PanelCount = target.PanelCount(rows);
        _buffer = new AlignedBuffer(checked((long)PanelCount * PanelColumns * depth * sizeof(float)));
    }

    /// <summary>n, the rows of the weight as stored: the columns of the product.</summary>
    public int Rows { get; }

    /// <summary>k, the columns of the weight as stored: what is summed over.</summary>
    public int Depth { get; }

    public int PanelColumns { get; }

    public int PanelCount { get; }

    public long ByteCount => _buffer.ByteCount;

    /// <summary>[k, panel columns] of one panel.</summary>
    public float* Panel(int panel) => _buffer.Floats + ((long)panel * PanelColumns * Depth);

    /// <summary>The rows of the weight that one panel holds.</summary>
    public (int First, int Count) PanelRows(int panel)
    {
        int first = panel * PanelColumns;
        return (first, Math.Min(PanelColumns, Rows - first));
    }

    /// <summary>Fills one panel.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="rows">The weight's rows of <see cref="PanelRows"/>, [count, k].</param>
    public void PackPanel(int panel, ReadOnlySpan<float> rows)
    {
        int count = PanelRows(panel).Count;
        Span<float> packed = new(Panel(panel), PanelColumns * Depth);
        if (count < PanelColumns)
            packed.Clear();
        Transpose.Run(rows, count, Depth, packed, PanelColumns);
    }

    public void Dispose() => _buffer.Dispose();
}
