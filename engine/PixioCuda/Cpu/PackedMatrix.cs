using PixioCuda.Weights;

namespace PixioCuda.Cpu;

/// <summary>A weight [n, k] in the order in which the micro-kernel streams it: panels of a few columns of the transposed weight, each
/// [k, panel columns] dense; the last panel is filled up with zeros. Elements are float32, or kept in a half-precision type and
/// widened when they are multiplied with.</summary>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private readonly AlignedBuffer _buffer;

    /// <summary>Allocates; every panel is to be filled by <see cref="PackPanel"/>.</summary>
    public PackedMatrix(int rows, int depth, CpuTarget target, DType type = DType.F32)
    {
        Rows = rows;
        Depth = depth;
        Type = type;
        PanelColumns = target.PanelColumns;
        PanelCount = target.PanelCount(rows);
        _buffer = new AlignedBuffer(checked((long)PanelCount * PanelByteCount));
    }

    /// <summary>n, the rows of the weight as stored: the columns of the product.</summary>
    public int Rows { get; }

    /// <summary>k, the columns of the weight as stored: what is summed over.</summary>
    public int Depth { get; }

    /// <summary>What the elements are kept as.</summary>
    public DType Type { get; }

    public int PanelColumns { get; }

    public int PanelCount { get; }

    public long ByteCount => _buffer.ByteCount;

    /// <summary>The bytes of one k of a panel.</summary>
    public int StepByteCount => PanelColumns * Type.ElementBytes();

    private int PanelByteCount => checked(Depth * StepByteCount);

    /// <summary>[k, panel columns] of one panel.</summary>
    public byte* Panel(int panel) => _buffer.Bytes + ((long)panel * PanelByteCount);

    /// <summary>The rows of the weight that one panel holds.</summary>
    public (int First, int Count) PanelRows(int panel)
    {
        int first = panel * PanelColumns;
        return (first, Math.Min(PanelColumns, Rows - first));
    }

    /// <summary>Fills one panel.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="rows">The weight's rows of <see cref="PanelRows"/>, [count, k].</param>
    /// <param name="transposed">Room for the panel in float32, [k, panel columns]; not used, and may be empty, where the panel itself
    /// is that.</param>
    public void PackPanel(int panel, ReadOnlySpan<float> rows, Span<float> transposed)
    {
        int count = PanelRows(panel).Count;
        Span<byte> packed = new(Panel(panel), PanelByteCount);
        Span<float> floats = Type == DType.F32 ? new Span<float>(Panel(panel), PanelColumns * Depth) : transposed[..(PanelColumns * Depth)];
        if (count < PanelColumns)
            floats.Clear();
        Transpose.Run(rows, count, Depth, floats, PanelColumns);
        if (Type != DType.F32)
            TensorConversion.FromFloat32(Type, floats, packed);
    }

    public void Dispose() => _buffer.Dispose();
}
