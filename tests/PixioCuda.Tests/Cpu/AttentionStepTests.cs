using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

/// <summary>Attention against the definition in double precision.</summary>
public unsafe class AttentionStepTests
{
    public static TheoryData<int> VectorWidths => CpuFixture.VectorWidths;

    [Theory]
    [MemberData(nameof(VectorWidths))]
    public void Odd_lengths_and_head_sizes_match(int vectorBits)
    {
        (int Batch, int Tokens, int Heads, int HeadSize)[] problems =
        [
            (1, 1, 1, 4), (3, 7, 2, 12), (1, 8, 3, 16), (2, 9, 2, 64), (1, 63, 2, 80), (3, 64, 1, 96), (1, 65, 3, 20), (1, 264, 2, 80),
            (1, 265, 1, 300), (1, 600, 2, 5),
        ];
        foreach ((int batch, int tokens, int heads, int headSize) in problems)
        {
            Check(batch, tokens, tokens, heads, headSize, vectorBits, threads: 1 + (tokens % 3), wanted: [.. Enumerable.Range(0, heads)]);
            Check(batch, tokens, Math.Min(tokens, 8), heads, headSize, vectorBits, threads: 2, wanted: null);
        }
    }

    [Fact]
    public void Chosen_heads_are_written_in_the_order_wanted() =>
        Check(batch: 2, tokens: 21, queryTokens: 21, heads: 5, headSize: 16, CpuTarget.WidestVectorBits, threads: 2, wanted: [4, 0, 2]);

    private static void Check(int batch, int tokens, int queryTokens, int heads, int headSize, int vectorBits, int threads, int[]? wanted)
    {
        int d = heads * headSize;
        float[] qkv = Noise.Normal($"qkv{batch}{tokens}{heads}{headSize}", batch * tokens * 3 * d);
        using CpuFixture fixture = new(vectorBits, threads);
        AttentionShape shape = new(batch, tokens, queryTokens, heads, headSize, fixture.Target);
        CpuOperand input = fixture.Put(qkv, batch * tokens, batch * tokens, 3 * d, CpuLayout.RowMajor);
        int outputRows = batch * queryTokens;
        CpuOperand output = fixture.Put(new float[outputRows * d], outputRows, fixture.Target.PadRows(outputRows), d, CpuLayout.KChunked);
        int probabilityRows = batch * (wanted?.Length ?? 0) * tokens;
        CpuOperand? probabilities = wanted is null
            ? null
            : fixture.Put(new float[probabilityRows * tokens], probabilityRows, probabilityRows, tokens, CpuLayout.RowMajor);
        long scratch = fixture.Reserve(shape.ScratchByteCount);
        fixture.Run(new AttentionStepOf(shape, input, output, probabilities, wanted ?? [], scratch));

        string what = $"B {batch}, T {tokens}, queries {queryTokens}, h {heads}, head size {headSize}, {vectorBits} bits";
        (float[] context, float[][] softmax) = Reference(qkv, batch, tokens, heads, headSize);
        float[] wantedContext = [.. Enumerable.Range(0, batch).SelectMany(picture => context.AsSpan(picture * tokens * d, queryTokens * d).ToArray())];
        Accuracy.Within(1e-6, fixture.Get(output, outputRows), wantedContext, $"context, {what}");
        if (probabilities is not CpuOperand written)
            return;
        float[] wantedSoftmax = [.. Enumerable.Range(0, batch).SelectMany(picture => wanted!.SelectMany(head => softmax[(picture * heads) + head]))];
        Accuracy.Within(1e-6, fixture.Get(written, probabilityRows), wantedSoftmax, $"probabilities, {what}");
    }

    private static (float[] Context, float[][] Softmax) Reference(float[] qkv, int batch, int tokens, int heads, int headSize)
    {
        int d = heads * headSize;
        float[] context = new float[batch * tokens * d];
        float[][] softmax = new float[batch * heads][];
        for (int picture = 0; picture < batch; picture++)
        {
            for (int head = 0; head < heads; head++)
            {
                float[] rows = softmax[(picture * heads) + head] = new float[tokens * tokens];
                for (int query = 0; query < tokens; query++)
                {
                    double[] scores = new double[tokens];
                    for (int key = 0; key < tokens; key++)
                    {
                        for (int i = 0; i < headSize; i++)
                            scores[key] += (double)At(query, 0, i) * At(key, 1, i);
                        scores[key] /= Math.Sqrt(headSize);
                    }

                    double maximum = scores.Max();
                    double[] exponentials = [.. scores.Select(score => Math.Exp(score - maximum))];
                    double sum = exponentials.Sum();
                    for (int key = 0; key < tokens; key++)
                        rows[(query * tokens) + key] = (float)(exponentials[key] / sum);
                    for (int i = 0; i < headSize; i++)
                    {
                        double value = 0;
                        for (int key = 0; key < tokens; key++)
                            value += exponentials[key] / sum * At(key, 2, i);
                        context[(((picture * tokens) + query) * d) + (head * headSize) + i] = (float)value;
                    }
                }

                float At(int token, int part, int i) => qkv[(((picture * tokens) + token) * 3 * d) + (part * d) + (head * headSize) + i];
            }
        }

        return (context, softmax);
    }

    private sealed record AttentionStepOf(
        AttentionShape Shape, CpuOperand Qkv, CpuOperand Output, CpuOperand? Probabilities, IReadOnlyList<int> Heads, long Scratch) : IStepFactory
    {
        public CpuStep Create<TKernel, TVector>(CpuTarget target)
            where TKernel : IMicroKernel
            where TVector : struct, IFloatVector<TVector> =>
            new AttentionStep<TKernel, TVector>(Shape, Qkv, Output, Probabilities, Heads, Scratch);
    }
}
