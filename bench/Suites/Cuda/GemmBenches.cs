using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>A matrix product of the encoder, in bfloat16.</summary>
public abstract class CudaGemmBench : CudaKernelBench
{
    private float[] _a = [];
    private float[] _w = [];
    private DeviceMemory<byte>? _c;

    private protected abstract int N { get; }

    private protected abstract int K { get; }

    private protected abstract GemmEpilogue Epilogue { get; }

    private ElementType Output => Epilogue == GemmEpilogue.BiasResidual ? ElementType.F32 : ElementType.BF16;

    private GemmShape Shape => new(Batch * BenchSize.Tokens, N, K, ElementType.BF16, Output, Epilogue);

    private protected override Action<GpuStream> Prepare()
    {
        GemmShape shape = Shape;
        _a = Values(shape.M * K, 1);
        _w = Values(N * K, 2);
        DeviceMemory<ushort> a = Upload(BFloat16(_a)), w = Upload(BFloat16(_w));
        DeviceMemory<float> bias = Upload(new float[N]), residual = Upload(new float[Epilogue == GemmEpilogue.BiasResidual ? shape.M * N : 1]);
        _c = Allocate<byte>((long)shape.M * N * Output.ByteCount());
        GemmKernel kernel = new(Device, shape);
        return stream => kernel.Launch(
            stream, a.Pointer.As<byte>(), w.Pointer.As<byte>(), bias.Pointer, shape.HasResidual ? residual.Pointer.As<byte>() : default, _c.Pointer);
    }

    private protected override void Check()
    {
        byte[] c = Download(_c!);
        int rows = Shape.M;
        foreach ((int row, int column) in new[] { (0, 0), (rows / 2, N / 3), (rows - 1, N - 1) })
        {
            double sum = 0;
            for (int k = 0; k < K; k++)
                sum += (double)_a[(row * K) + k] * _w[(column * K) + k];
            // Sums of this size are where GELU is the identity or zero to three digits, or near zero.
            double expected = Epilogue == GemmEpilogue.BiasGelu ? 0.5 * sum * (1 + Math.Tanh(0.7978845608 * (sum + (0.044715 * sum * sum * sum)))) : sum;
            int index = (row * N) + column;
            double actual = Output == ElementType.F32 ? BitConverter.ToSingle(c, 4 * index) : Single(BitConverter.ToUInt16(c, 2 * index));
            Require(actual, expected, Output == ElementType.F32 ? 1e-4 : 1e-2, $"element ({row}, {column})");
        }
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => GemmKernel.SelectConfig(Shape, device).Work(Shape);
}

/// <summary>Query, key and value.</summary>
public class CudaQkvBench : CudaGemmBench
{
    private protected override int N => 3 * BenchSize.Hidden;

    private protected override int K => BenchSize.Hidden;

    private protected override GemmEpilogue Epilogue => GemmEpilogue.Bias;
}

/// <summary>The projection behind attention, with residual.</summary>
public class CudaProjBench : CudaGemmBench
{
    private protected override int N => BenchSize.Hidden;

    private protected override int K => BenchSize.Hidden;

    private protected override GemmEpilogue Epilogue => GemmEpilogue.BiasResidual;
}

/// <summary>The first layer of the MLP, with GELU.</summary>
public class CudaFc1Bench : CudaGemmBench
{
    private protected override int N => BenchSize.Mlp;

    private protected override int K => BenchSize.Hidden;

    private protected override GemmEpilogue Epilogue => GemmEpilogue.BiasGelu;
}

/// <summary>The second layer of the MLP, with residual.</summary>
public class CudaFc2Bench : CudaGemmBench
{
    private protected override int N => BenchSize.Hidden;

    private protected override int K => BenchSize.Mlp;

    private protected override GemmEpilogue Epilogue => GemmEpilogue.BiasResidual;
}
