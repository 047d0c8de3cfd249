using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>Attention in bfloat16, over the fused qkv.</summary>
public class CudaAttentionBench : CudaKernelBench
{
    private float[] _qkv = [];
    private DeviceMemory<ushort>? _context;

    private static int HeadDim => BenchSize.Hidden / BenchSize.Heads;

    private AttentionShape Shape => new(Batch, BenchSize.Tokens, BenchSize.Tokens, BenchSize.Heads, HeadDim, ElementType.BF16);

    private protected override Action<GpuStream> Prepare()
    {
        _qkv = Values(Batch * BenchSize.Tokens * 3 * BenchSize.Hidden, 1);
        DeviceMemory<ushort> qkv = Upload(BFloat16(_qkv));
        _context = Allocate<ushort>((long)Batch * BenchSize.Tokens * BenchSize.Hidden);
        AttentionKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, qkv.Pointer.As<byte>(), _context.Pointer.As<byte>());
    }

    private protected override void Check()
    {
        ushort[] context = Download(_context!);
        int d = BenchSize.Hidden, tokens = BenchSize.Tokens, picture = Batch - 1, head = BenchSize.Heads - 1, query = tokens - 1;
        double[] weights = Probabilities(_qkv, picture, head, query);
        for (int column = 0; column < HeadDim; column += 7)
        {
            double expected = 0;
            for (int key = 0; key < tokens; key++)
                expected += weights[key] * _qkv[(((picture * tokens) + key) * 3 * d) + (2 * d) + (head * HeadDim) + column];
            Require(Single(context[(((picture * tokens) + query) * d) + (head * HeadDim) + column]), expected, 1e-2, $"column {column} of the last query");
        }
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => AttentionKernel.SelectConfig(Shape, device).Work(Shape);

    /// <summary>The softmax of one query over all keys, in double precision.</summary>
    internal static double[] Probabilities(float[] qkv, int picture, int head, int query)
    {
        int d = BenchSize.Hidden, tokens = BenchSize.Tokens;
        double[] scores = new double[tokens];
        for (int key = 0; key < tokens; key++)
        {
            for (int column = 0; column < HeadDim; column++)
            {
                scores[key] += (double)qkv[(((picture * tokens) + query) * 3 * d) + (head * HeadDim) + column]
                    * qkv[(((picture * tokens) + key) * 3 * d) + d + (head * HeadDim) + column] / Math.Sqrt(HeadDim);
            }
        }

        double largest = scores.Max(), sum = scores.Sum(score => Math.Exp(score - largest));
        return Array.ConvertAll(scores, score => Math.Exp(score - largest) / sum);
    }
}

/// <summary>The probabilities of two heads.</summary>
public class CudaAttentionProbabilitiesBench : CudaKernelBench
{
    private float[] _qkv = [];
    private DeviceMemory<float>? _probabilities;

    private AttentionShape Shape
        => new(Batch, BenchSize.Tokens, BenchSize.Tokens, BenchSize.Heads, BenchSize.Hidden / BenchSize.Heads, ElementType.BF16);

    private protected override Action<GpuStream> Prepare()
    {
        _qkv = Values(Batch * BenchSize.Tokens * 3 * BenchSize.Hidden, 1);
        DeviceMemory<ushort> qkv = Upload(BFloat16(_qkv));
        DeviceMemory<uint> heads = Upload(new uint[] { 1, 3 });
        _probabilities = Allocate<float>(2L * Batch * BenchSize.Tokens * BenchSize.Tokens);
        AttentionProbabilitiesKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, qkv.Pointer.As<byte>(), heads.Pointer, 2, _probabilities.Pointer);
    }

    private protected override void Check()
    {
        float[] probabilities = Download(_probabilities!);
        int tokens = BenchSize.Tokens;
        double[] expected = CudaAttentionBench.Probabilities(_qkv, Batch - 1, 3, tokens - 1);
        for (int key = 0; key < tokens; key++)
            Require(probabilities[^(tokens - key)], expected[key], 1e-5, $"probability of key {key}");
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => AttentionProbabilitiesKernel.SelectConfig(Shape, device).Work(Shape, 2);
}
