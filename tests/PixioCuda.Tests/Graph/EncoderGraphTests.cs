using PixioCuda.Cpu;
using PixioCuda.Graph;
using Xunit;

namespace PixioCuda.Tests.Graph;

public class EncoderGraphTests
{
    private static readonly PixioConfig Config = PixioPresets.Get("vith16");
    private static readonly CpuTarget Target = new(CpuTarget.WidestVectorBits, 2);

    [Fact]
    public void A_block_is_seven_fused_ops()
    {
        EncoderGraph graph = Create(new EncoderTaps { LastHiddenState = true });
        Assert.Equal(1 + (32 * 7) + 1, graph.Ops.Count);
        string[] block = [.. graph.Ops.Skip(1).Take(7).Select(op => op.GetType().Name)];
        Assert.Equal(["LayerNormOp", "LinearOp", "AttentionOp", "LinearOp", "LayerNormOp", "LinearOp", "LinearOp"], block);
        LinearOp[] linear = [.. graph.Ops.OfType<LinearOp>().Take(4)];
        Assert.Equal(
            [(true, false, false), (true, false, true), (true, true, false), (true, false, true)],
            linear.Select(op => (op.Bias is not null, op.Gelu, op.Residual is not null)));
    }

    [Fact]
    public void Without_a_qkv_bias_the_product_stands_alone()
    {
        EncoderGraph graph = EncoderGraph.Create(Config with { QkvBias = false }, new InputShape(1, 256), new EncoderTaps { PoolerOutput = true });
        Assert.Null(graph.Ops.OfType<LinearOp>().First().Bias);
    }

    [Fact]
    public void Nothing_behind_the_last_tap_is_computed()
    {
        Assert.Equal(1 + (8 * 7), Create(new EncoderTaps { HiddenStates = [8] }).Ops.Count);
        Assert.Single(Create(new EncoderTaps { HiddenStates = [0] }).Ops);

        // Attention maps of block 3: three whole blocks, then norm1, qkv and the scores, without a context.
        EncoderGraph attention = Create(new EncoderTaps { Attentions = [new(3, [0])] });
        Assert.Equal(1 + (3 * 7) + 3, attention.Ops.Count);
        Assert.Null(Assert.IsType<AttentionOp>(attention.Ops[^1]).Output);
    }

    [Fact]
    public void The_last_block_is_run_for_the_class_tokens_alone_when_nothing_else_is_read()
    {
        AttentionOp last = Create(new EncoderTaps { PoolerOutput = true, ClsConcat = true }).Ops.OfType<AttentionOp>().Last();
        Assert.Equal(8, last.QueryTokens);
        foreach (EncoderTaps taps in new EncoderTaps[]
        {
            new() { PoolerOutput = true, LastHiddenState = true }, new() { Dense2d = true }, new() { HiddenStates = [32] },
            new() { PoolerOutput = true, Attentions = [new(31)] }, new() { FeatureMaps = [new(32)] },
        })
        {
            Assert.Equal(264, Create(taps).Ops.OfType<AttentionOp>().Last().QueryTokens);
        }
    }

    /// <summary>Stretches of the arena whose lifetimes touch never overlap, whatever is asked for; the one exception is a residual sum,
    /// which takes the place of what it extends.</summary>
    [Fact]
    public void Tensors_that_are_alive_together_never_share_memory()
    {
        Random random = new(3);
        for (int trial = 0; trial < 60; trial++)
        {
            EncoderTaps taps = RandomTaps(random);
            EncoderGraph graph = EncoderGraph.Create(Config, new InputShape(random.Next(1, 4), 16 * random.Next(1, 20)), taps);
            MemoryPlan plan = MemoryPlan.Create(graph, new CpuMemoryModel(graph, Target));
            ArenaBlock[] blocks = [.. plan.Blocks];
            for (int i = 0; i < blocks.Length; i++)
            {
                Assert.Equal(0, blocks[i].Offset % AlignedBuffer.Alignment);
                Assert.True(blocks[i].Offset + blocks[i].ByteCount <= plan.ArenaByteCount);
                for (int j = i + 1; j < blocks.Length; j++)
                {
                    bool together = blocks[i].FirstOp <= blocks[j].LastOp && blocks[j].FirstOp <= blocks[i].LastOp;
                    bool overlap = blocks[i].Offset < blocks[j].Offset + blocks[j].ByteCount && blocks[j].Offset < blocks[i].Offset + blocks[i].ByteCount;
                    Assert.True(!together || !overlap || IsResidual(graph, blocks[i], blocks[j]), $"trial {trial}: {blocks[i]} and {blocks[j]}");
                }
            }
        }
    }

    [Fact]
    public void One_stage_does_not_cost_the_memory_of_all()
    {
        long one = Arena(new EncoderTaps { HiddenStates = [8] }), pooler = Arena(new EncoderTaps { PoolerOutput = true });
        long all = Arena(new EncoderTaps { HiddenStates = [.. Enumerable.Range(0, 33)] });
        // Kept states lie in the caller's memory; the arena holds one block's intermediate results, however many blocks there are.
        Assert.Equal(one, Arena(new EncoderTaps { HiddenStates = [16] }));
        Assert.InRange(pooler, one, 2 * one);
        Assert.InRange(all, 1, one);
        Assert.InRange(one, 1, 25_000_000);

        static long Arena(EncoderTaps taps)
        {
            EncoderGraph graph = Create(taps);
            return MemoryPlan.Create(graph, new CpuMemoryModel(graph, Target)).ArenaByteCount;
        }
    }

    [Fact]
    public void Outputs_lie_end_to_end_in_the_order_of_the_plan()
    {
        EncoderGraph graph = Create(new EncoderTaps { PoolerOutput = true, HiddenStates = [1, 2], FeatureMaps = [new(2, ApplyLayerNorm: false, Reshape: false)] });
        long offset = 0;
        foreach (GraphOutput output in graph.Outputs)
        {
            Assert.Equal(offset, output.Offset);
            offset += output.Tensor.ElementCount;
        }

        Assert.Equal(offset, graph.OutputLength);
        Assert.Equal(["pooler_output", "hidden_states.1", "hidden_states.2", "feature_maps.stage2"], graph.Outputs.Select(output => output.Name));
    }

    [Fact]
    public void A_plan_can_be_read()
    {
        EncoderGraph graph = Create(new EncoderTaps { PoolerOutput = true });
        string text = MemoryPlan.Create(graph, new CpuMemoryModel(graph, Target)).Describe();
        Assert.Contains("layer.31.qkv", text, StringComparison.Ordinal);
        Assert.Contains("arena", text, StringComparison.Ordinal);
    }

    private static EncoderGraph Create(EncoderTaps taps) => EncoderGraph.Create(Config, new InputShape(1, 256), taps);

    private static bool IsResidual(EncoderGraph graph, ArenaBlock first, ArenaBlock second) =>
        first.LastOp == second.FirstOp && first.Offset == second.Offset
        && graph.Ops[second.FirstOp] is LinearOp { Residual: GraphTensor residual } linear && residual.Name == first.Name && linear.Output.Name == second.Name;

    private static EncoderTaps RandomTaps(Random random) => new()
    {
        LastHiddenState = random.Next(2) == 0,
        PoolerOutput = true,
        ClsConcat = random.Next(2) == 0,
        Dense2d = random.Next(3) == 0,
        HiddenStates = [.. Enumerable.Range(0, 33).Where(_ => random.Next(6) == 0)],
        Attentions = [.. Enumerable.Range(0, 32).Where(_ => random.Next(10) == 0).Select(layer => new AttentionTap(layer))],
        FeatureMaps = [.. Enumerable.Range(0, 33).Where(_ => random.Next(6) == 0).Select(stage => new FeatureMapTap(stage, random.Next(2) == 0, random.Next(2) == 0))],
    };
}
