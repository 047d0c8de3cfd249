using PixioCuda.Graph;

namespace PixioCuda.Cpu;

/// <summary>How a matrix of activations lies in memory.</summary>
internal enum CpuLayout
{
    /// <summary>[rows, columns], dense: inputs, outputs, the residual stream, qkv.</summary>
    RowMajor,

    /// <summary>[ceil(columns / 256), rows padded to the kernel's tile, 256]: what a matrix product reads as A. A tile of it is one
    /// dense stretch that fits the first-level cache, and its rows are a constant distance apart.</summary>
    KChunked,
}

/// <summary>A matrix of activations in memory.</summary>
internal readonly unsafe struct MatrixView(float* data, int rowsPadded, int columns, CpuLayout layout)
{
    public float* Data { get; } = data;

    public int Columns { get; } = columns;

    /// <summary>The distance from one K chunk to the next, in elements. Only for <see cref="CpuLayout.KChunked"/>.</summary>
    public long ChunkStride { get; } = (long)rowsPadded * KChunk.Length;

    /// <summary>The address of an element.</summary>
    public float* At(int row, int column) => layout == CpuLayout.RowMajor
        ? Data + ((long)row * Columns) + column
        : Data + (column / KChunk.Length * ChunkStride) + ((long)row * KChunk.Length) + (column % KChunk.Length);

    /// <summary>How many elements of a row lie dense from a column on.</summary>
    public int RunLength(int column) => layout == CpuLayout.RowMajor
        ? Columns - column
        : Math.Min(Columns - column, KChunk.Length - (column % KChunk.Length));

    /// <summary>Copies elements into a row.</summary>
    public void Write(int row, int column, ReadOnlySpan<float> values)
    {
        while (!values.IsEmpty)
        {
            int run = Math.Min(RunLength(column), values.Length);
            values[..run].CopyTo(new Span<float>(At(row, column), run));
            values = values[run..];
            column += run;
        }
    }

    /// <summary>The elements that a matrix takes.</summary>
    public static long ElementCount(int rowsPadded, int columns, CpuLayout layout) => layout == CpuLayout.RowMajor
        ? (long)rowsPadded * columns
        : (long)KChunk.Count(columns) * rowsPadded * KChunk.Length;
}

/// <summary>Decides the layout of every tensor of a graph, and thereby what it costs.</summary>
internal sealed class CpuMemoryModel : IMemoryModel
{
    private readonly EncoderGraph _graph;
    private readonly CpuTarget _target;
    private readonly CpuLayout[] _layouts;

    public CpuMemoryModel(EncoderGraph graph, CpuTarget target)
    {
        _graph = graph;
        _target = target;
        _layouts = new CpuLayout[graph.Tensors.Count];
        bool[] isProductInput = new bool[graph.Tensors.Count], isOtherwiseRead = new bool[graph.Tensors.Count];
        foreach (GraphOp op in graph.Ops)
        {
            foreach (GraphTensor tensor in op.Reads)
                (op is LinearOp linear && linear.Input == tensor ? isProductInput : isOtherwiseRead)[tensor.Id] = true;
        }

        foreach (GraphTensor tensor in graph.Tensors)
        {
            if (tensor.Storage == TensorStorage.Arena && isProductInput[tensor.Id] && !isOtherwiseRead[tensor.Id])
                _layouts[tensor.Id] = CpuLayout.KChunked;
        }
    }

    public int Alignment => AlignedBuffer.Alignment;

    public bool WritesOutputsInPlace => true;

    public CpuLayout LayoutOf(GraphTensor tensor) => _layouts[tensor.Id];

    /// <summary>The rows that a tensor's memory has: its own, rounded up to the kernel's tile where a product reads it.</summary>
    public int RowsPadded(GraphTensor tensor) => LayoutOf(tensor) == CpuLayout.RowMajor ? tensor.Rows : _target.PadRows(tensor.Rows);

    public long ByteCount(GraphTensor tensor) =>
        checked(MatrixView.ElementCount(RowsPadded(tensor), tensor.Columns, LayoutOf(tensor)) * sizeof(float));

    public long ScratchByteCount(GraphOp op) => op switch
    {
        PatchEmbedOp patchEmbed => PatchEmbedStep.ScratchByteCount(patchEmbed, _graph, _target),
        LinearOp linear => GemmScratch.ByteCount(linear.Output.Rows, _target),
        AttentionOp attention => AttentionShape.Of(attention, _target).ScratchByteCount,
        _ => 0,
    };
}
