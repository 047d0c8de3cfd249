using PixioCuda.Graph;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>The number format of each tensor of a graph. What only matrix products read is in the precision's element type; the residual
/// stream, and everything that leaves the device, is float32: rounding the stream at every block is what costs half precision its accuracy.</summary>
internal sealed class CudaTensorTypes
{
    private readonly ElementType[] _types;

    public CudaTensorTypes(EncoderGraph graph, Precision precision)
    {
        ElementType element = precision.Element();
        _types = new ElementType[graph.Tensors.Count];
        HashSet<int> otherReaders = [.. graph.Ops.Where(op => op is not (LinearOp or AttentionOp)).SelectMany(op => op.Reads).Select(tensor => tensor.Id)];
        foreach (GraphOp op in graph.Ops)
        {
            foreach (GraphTensor tensor in op.Writes)
            {
                bool isElement = op switch
                {
                    LayerNormOp => tensor.Storage == TensorStorage.Arena && !otherReaders.Contains(tensor.Id),
                    LinearOp linear => tensor == linear.Output ? linear.Residual is null : tensor == linear.Copy!.Values,
                    AttentionOp attention => tensor == attention.Output,
                    _ => false,
                };
                _types[tensor.Id] = isElement ? element : ElementType.F32;
            }
        }
    }

    public ElementType this[GraphTensor tensor] => _types[tensor.Id];
}

/// <summary>What the tensors of a graph take in a device's arena.</summary>
internal sealed class CudaMemoryModel(EncoderGraph graph, Precision precision, GemmProvider gemm) : IMemoryModel
{
    public CudaTensorTypes Types { get; } = new(graph, precision);

    // What every allocation of the driver is aligned to, and more than any access needs.
    public int Alignment => 256;

    // Outputs are copied to the caller's memory from their place in the arena.
    public bool WritesOutputsInPlace => false;

    public long ByteCount(GraphTensor tensor) => tensor.ElementCount * Types[tensor].ByteCount();

    /// <summary>Position embeddings of another grid than the stored one; what cuBLASLt needs.</summary>
    public long ScratchByteCount(GraphOp op) => op switch
    {
        PatchEmbedOp patchEmbed when patchEmbed.Grid != graph.Config.PositionGrid
            => (graph.Config.ClassTokens + patchEmbed.Grid.Area) * graph.Config.HiddenSize * sizeof(float),
        LinearOp linear when gemm == GemmProvider.CublasLt => CublasLtProducts.ScratchByteCount(linear, precision),
        _ => 0,
    };
}
