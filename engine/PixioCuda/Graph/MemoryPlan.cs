using System.Globalization;
using System.Text;

namespace PixioCuda.Graph;

/// <summary>What a backend stores for the tensors of one graph and needs beside them. Sizes are in bytes.</summary>
internal interface IMemoryModel
{
    /// <summary>Every offset in the arena is a multiple of this.</summary>
    int Alignment { get; }

    /// <summary>Whether ops can write outputs straight into the caller's memory; if not, outputs have a place in the arena too.</summary>
    bool WritesOutputsInPlace { get; }

    /// <summary>The bytes that a tensor takes in the arena, its layout's padding included.</summary>
    long ByteCount(GraphTensor tensor);

    /// <summary>The bytes that an op needs for itself while it runs.</summary>
    long ScratchByteCount(GraphOp op);
}

/// <summary>One stretch of the arena, from the op that writes it to the last op that reads it.</summary>
/// <param name="Name">The tensor's name, or the op's with "scratch".</param>
/// <param name="Offset">Bytes from the arena's beginning.</param>
/// <param name="ByteCount">Its length.</param>
/// <param name="FirstOp">Index of the op that writes it.</param>
/// <param name="LastOp">Index of the last op that reads it.</param>
internal sealed record ArenaBlock(string Name, long Offset, long ByteCount, int FirstOp, int LastOp);

/// <summary>Gives every intermediate tensor an offset in one arena, from its lifetime. Tensors that are never alive together share
/// memory; a residual sum takes the place of the stream it extends. Nothing needs to be loaded to make or print one.</summary>
internal sealed class MemoryPlan
{
    private readonly Dictionary<GraphTensor, ArenaBlock> _blocks = [];
    private readonly Dictionary<GraphOp, ArenaBlock> _scratch = new(ReferenceEqualityComparer.Instance);

    private MemoryPlan() { }

    /// <summary>The arena's size in bytes.</summary>
    public long ArenaByteCount { get; private set; }

    /// <summary>Every stretch of the arena, in the order of first use. Tensors that share a place are listed each.</summary>
    public IReadOnlyList<ArenaBlock> Blocks { get; private set; } = [];

    /// <summary>The offset of a tensor, or null when it lives in the caller's memory.</summary>
    public long? OffsetOf(GraphTensor tensor) => _blocks.TryGetValue(tensor, out ArenaBlock? block) ? block.Offset : null;

    /// <summary>The offset of an op's scratch memory; 0 where it needs none.</summary>
    public long ScratchOffsetOf(GraphOp op) => _scratch.TryGetValue(op, out ArenaBlock? block) ? block.Offset : 0;

    public static MemoryPlan Create(EncoderGraph graph, IMemoryModel model)
    {
        MemoryPlan plan = new();
        ArenaAllocator arena = new(model.Alignment);
        int[] lastRead = LastReads(graph);
        HashSet<GraphTensor> alive = [];
        List<ArenaBlock> blocks = [];
        for (int index = 0; index < graph.Ops.Count; index++)
        {
            GraphOp op = graph.Ops[index];
            foreach (GraphTensor tensor in op.Writes.Where(InArena))
                Place(tensor, op, index);

            if (model.ScratchByteCount(op) is > 0 and long scratchBytes)
            {
                long offset = arena.Take(scratchBytes);
                ArenaBlock block = new($"{op.Writes.First().Name} (scratch)", offset, scratchBytes, index, index);
                plan._scratch.Add(op, block);
                blocks.Add(block);
                arena.Return(offset, scratchBytes);
            }

            foreach (GraphTensor dead in alive.Where(tensor => lastRead[tensor.Id] == index).ToArray())
                Release(dead);
        }

        plan.ArenaByteCount = arena.PeakByteCount;
        plan.Blocks = blocks;
        return plan;

        bool InArena(GraphTensor tensor) =>
            tensor.Storage == TensorStorage.Arena || (tensor.Storage == TensorStorage.Output && !model.WritesOutputsInPlace);

        void Place(GraphTensor tensor, GraphOp op, int index)
        {
            long byteCount = model.ByteCount(tensor);
            long offset;
            if (op is LinearOp { Residual: GraphTensor residual } linear && tensor == linear.Output && alive.Contains(residual)
                && lastRead[residual.Id] == index && plan._blocks[residual].ByteCount == byteCount)
            {
                offset = plan._blocks[residual].Offset;
                alive.Remove(residual);
            }
            else
            {
                offset = arena.Take(byteCount);
            }

            ArenaBlock block = new(tensor.Name, offset, byteCount, index, lastRead[tensor.Id]);
            plan._blocks.Add(tensor, block);
            blocks.Add(block);
            alive.Add(tensor);
        }

        void Release(GraphTensor tensor)
        {
            arena.Return(plan._blocks[tensor].Offset, plan._blocks[tensor].ByteCount);
            alive.Remove(tensor);
        }
    }

    /// <summary>The plan as text: one line for every stretch, with offset, size and lifetime.</summary>
    public string Describe()
    {
        StringBuilder text = new();
        text.AppendLine(CultureInfo.InvariantCulture, $"arena {ArenaByteCount:N0} bytes");
        text.AppendLine(CultureInfo.InvariantCulture, $"{"offset",14} {"bytes",14}  ops        tensor");
        foreach (ArenaBlock block in Blocks)
            text.AppendLine(CultureInfo.InvariantCulture, $"{block.Offset,14:N0} {block.ByteCount,14:N0}  {block.FirstOp,4}-{block.LastOp,-4}  {block.Name}");
        return text.ToString();
    }

    private static int[] LastReads(EncoderGraph graph)
    {
        int[] lastRead = new int[graph.Tensors.Count];
        for (int index = 0; index < graph.Ops.Count; index++)
        {
            foreach (GraphTensor tensor in graph.Ops[index].Writes.Concat(graph.Ops[index].Reads))
                lastRead[tensor.Id] = index;
        }

        // An output that lives in the arena is fetched after the last op.
        foreach (GraphOutput output in graph.Outputs)
            lastRead[output.Tensor.Id] = graph.Ops.Count;
        return lastRead;
    }
}
