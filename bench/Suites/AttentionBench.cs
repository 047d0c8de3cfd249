using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Cpu;

namespace PixioCuda.Bench.Suites;

/// <summary>Attention of ViT-B (12 heads of 64) and ViT-H (16 heads of 80) over the tokens of one picture.</summary>
public class AttentionBench : StepBench, ICountsWork
{
    private CpuStep? _step;

    /// <summary>Which heads there are.</summary>
    [Params("vitb16", "vith16")]
    public string Preset { get; set; } = "vitb16";

    /// <summary>264 tokens are a picture of 256 x 256, 1032 one of 512 x 512.</summary>
    [Params(264, 1032)]
    public int Tokens { get; set; }

    Work ICountsWork.Work => new(4.0 * Tokens * Tokens * Heads * HeadSize, sizeof(float) * 4.0 * Tokens * Heads * HeadSize);

    private int Heads => PixioPresets.Get(Preset).AttentionHeads;

    private int HeadSize => PixioPresets.Get(Preset).HeadSize;

    /// <summary>Makes queries, keys and values, and checks a few elements.</summary>
    [GlobalSetup]
    public unsafe void Setup()
    {
        int d = Heads * HeadSize;
        AttentionShape shape = new(1, Tokens, Tokens, Heads, HeadSize, Target);
        Begin(OperandByteCount(Tokens, 3 * d, CpuLayout.RowMajor) + OperandByteCount(Tokens, d, CpuLayout.KChunked) + shape.ScratchByteCount + 256);
        CpuOperand qkv = Operand(Tokens, 3 * d, CpuLayout.RowMajor, seed: 1), output = Operand(Tokens, d, CpuLayout.KChunked, seed: 2);
        long scratch = Reserve(shape.ScratchByteCount);
        _step = Target.VectorBits switch
        {
            512 => new AttentionStep<MicroKernel512, FloatVector512>(shape, qkv, output, null, [], scratch),
            256 => new AttentionStep<MicroKernel256, FloatVector256>(shape, qkv, output, null, [], scratch),
            _ => new AttentionStep<MicroKernel128, FloatVector128>(shape, qkv, output, null, [], scratch),
        };
        Run(_step);
        MatrixView input = qkv.In(Memory), context = output.In(Memory);
        for (int query = 0; query < Tokens; query += 37)
        {
            int head = query % Heads, lane = query % HeadSize;
            double sum = 0, weighted = 0;
            for (int key = 0; key < Tokens; key++)
            {
                double score = 0;
                for (int i = 0; i < HeadSize; i++)
                    score += (double)*input.At(query, (head * HeadSize) + i) * *input.At(key, d + (head * HeadSize) + i);
                double exponential = Math.Exp(score / Math.Sqrt(HeadSize));
                sum += exponential;
                weighted += exponential * *input.At(key, (2 * d) + (head * HeadSize) + lane);
            }

            Require(*context.At(query, (head * HeadSize) + lane), weighted / sum, 1e-5, $"context of token {query}");
        }
    }

    /// <summary>All heads.</summary>
    [Benchmark]
    public void Attention() => Run(_step!);

    /// <summary>Frees the memory.</summary>
    [GlobalCleanup]
    public void Cleanup() => Dispose();
}
