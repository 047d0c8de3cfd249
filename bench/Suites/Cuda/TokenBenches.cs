using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>A kernel from the float32 residual stream [Batch, tokens, d] to something else.</summary>
public abstract class CudaTokenBench : CudaKernelBench
{
    private const ElementType F32 = ElementType.F32;

    private protected float[] X { get; private set; } = [];

    private protected DeviceMemory<float>? Y { get; private set; }

    private protected static ElementType Float => F32;

    private protected abstract long OutputLength { get; }

    private protected override Action<GpuStream> Prepare()
    {
        X = Values(Batch * BenchSize.Tokens * BenchSize.Hidden, 1);
        DeviceMemory<float> x = Upload(X);
        Y = Allocate<float>(OutputLength);
        return Prepare(x.Pointer.As<byte>(), Y.Pointer.As<byte>());
    }

    private protected abstract Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y);

    private protected override void Check()
    {
        float[] y = Download(Y!);
        for (int sample = 0; sample < 50; sample++)
        {
            int index = (int)((long)sample * (y.Length - 1) / 49);
            Require(y[index], Expected(index), 1e-5, $"element {index}");
        }
    }

    private protected abstract double Expected(int index);

    private protected double At(int picture, int token, int column) => X[(((picture * BenchSize.Tokens) + token) * BenchSize.Hidden) + column];

    private protected double ClassMean(int picture, int column)
        => Enumerable.Range(0, BenchSize.ClassTokens).Average(token => At(picture, token, column));
}

/// <summary>LayerNorm of all tokens.</summary>
public class CudaLayerNormBench : CudaTokenBench
{
    private LayerNormShape Shape => new(Batch, BenchSize.Tokens, 0, BenchSize.Tokens, BenchSize.Hidden, Float, Float);

    private protected override long OutputLength => (long)Batch * BenchSize.Tokens * BenchSize.Hidden;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        float[] ones = new float[BenchSize.Hidden];
        Array.Fill(ones, 1);
        DeviceMemory<float> weight = Upload(ones), bias = Upload(new float[BenchSize.Hidden]);
        LayerNormKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, x, weight.Pointer, bias.Pointer, y, 1e-6f);
    }

    private protected override double Expected(int index)
    {
        ReadOnlySpan<float> row = X.AsSpan(index / BenchSize.Hidden * BenchSize.Hidden, BenchSize.Hidden);
        double mean = 0, variance = 0;
        foreach (float value in row)
            mean += value / (double)row.Length;
        foreach (float value in row)
            variance += (value - mean) * (value - mean) / row.Length;
        return (X[index] - mean) / Math.Sqrt(variance + 1e-6);
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => LayerNormKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>The mean of the class tokens.</summary>
public class CudaMeanTokensBench : CudaTokenBench
{
    private MeanTokensShape Shape => new(Batch, BenchSize.Tokens, BenchSize.ClassTokens, BenchSize.Hidden, Float, Float);

    private protected override long OutputLength => (long)Batch * BenchSize.Hidden;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        MeanTokensKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, x, y);
    }

    private protected override double Expected(int index) => ClassMean(index / BenchSize.Hidden, index % BenchSize.Hidden);

    private protected override KernelWork WorkOf(DeviceLimits device) => MeanTokensKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>The patches alone.</summary>
public class CudaSelectTokensBench : CudaTokenBench
{
    private SelectTokensShape Shape => new(Batch, BenchSize.Tokens, BenchSize.ClassTokens, BenchSize.Patches, BenchSize.Hidden, Float, Float);

    private protected override long OutputLength => (long)Batch * BenchSize.Patches * BenchSize.Hidden;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        SelectTokensKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, x, y);
    }

    private protected override double Expected(int index)
    {
        int row = index / BenchSize.Hidden;
        return At(row / BenchSize.Patches, BenchSize.ClassTokens + (row % BenchSize.Patches), index % BenchSize.Hidden);
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => SelectTokensKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>Every patch with the mean class token appended.</summary>
public class CudaAppendMeanBench : CudaTokenBench
{
    private AppendMeanShape Shape => new(Batch, BenchSize.Tokens, BenchSize.Patches, BenchSize.Hidden, Float, Float);

    private protected override long OutputLength => 2L * Batch * BenchSize.Patches * BenchSize.Hidden;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        float[] means = new float[Batch * BenchSize.Hidden];
        for (int i = 0; i < means.Length; i++)
            means[i] = (float)ClassMean(i / BenchSize.Hidden, i % BenchSize.Hidden);
        DeviceMemory<float> mean = Upload(means);
        AppendMeanKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, x, mean.Pointer, y);
    }

    private protected override double Expected(int index)
    {
        int d = BenchSize.Hidden, row = index / (2 * d), column = index % (2 * d), picture = row / BenchSize.Patches;
        return column < d ? At(picture, BenchSize.ClassTokens + (row % BenchSize.Patches), column) : ClassMean(picture, column - d);
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => AppendMeanKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>The patches as planes.</summary>
public class CudaTokensToMapBench : CudaTokenBench
{
    private TokensToMapShape Shape => new(Batch, BenchSize.Tokens, BenchSize.Patches, BenchSize.Hidden, Float, Float);

    private protected override long OutputLength => (long)Batch * BenchSize.Patches * BenchSize.Hidden;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        TokensToMapKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, x, y);
    }

    private protected override double Expected(int index)
    {
        int plane = index / BenchSize.Patches;
        return At(plane / BenchSize.Hidden, BenchSize.ClassTokens + (index % BenchSize.Patches), plane % BenchSize.Hidden);
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => TokensToMapKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>float32 to bfloat16, as loading weights does it.</summary>
public class CudaConvertBench : CudaTokenBench
{
    private ConvertShape Shape => ConvertShape.Flat((long)Batch * BenchSize.Tokens * BenchSize.Hidden, Float, ElementType.BF16);

    // Half as many floats as there are numbers.
    private protected override long OutputLength => (Shape.Columns + 1) / 2;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        ConvertKernel kernel = new(Device, ConvertKernel.SelectConfig(Shape));
        return stream => kernel.Launch(stream, Shape, x, y);
    }

    // Two numbers in each float: the second one makes its upper half.
    private protected override double Expected(int index) => BitConverter.UInt32BitsToSingle(
        (BitConverter.SingleToUInt32Bits(X[2 * index]) >> 16) | (BitConverter.SingleToUInt32Bits(X[(2 * index) + 1]) & 0xFFFF0000));

    private protected override KernelWork WorkOf(DeviceLimits device) => ConvertKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>A LayerNorm on its way into the weights of a product, as loading does it: float32 to bfloat16.</summary>
public class CudaFoldNormBench : CudaTokenBench
{
    private FoldNormShape Shape => new(Batch * BenchSize.Tokens, BenchSize.Hidden, Float, ElementType.BF16);

    // Half as many floats as there are numbers.
    private protected override long OutputLength => (long)Shape.Rows * Shape.Columns / 2;

    private protected override Action<GpuStream> Prepare(DevicePointer<byte> x, DevicePointer<byte> y)
    {
        float[] ones = new float[BenchSize.Hidden];
        Array.Fill(ones, 1);
        DeviceMemory<float> weight = Upload(ones), added = Upload(new float[BenchSize.Hidden]);
        DeviceMemory<float> sums = Upload(new float[Shape.Rows]), bias = Upload(new float[Shape.Rows]);
        FoldNormKernel kernel = new(Device, FoldNormKernel.SelectConfig(Shape));
        return stream => kernel.Launch(stream, Shape, x, weight.Pointer, added.Pointer, y, sums.Pointer, bias.Pointer);
    }

    // Two numbers in each float: the second one makes its upper half.
    private protected override double Expected(int index) => BitConverter.UInt32BitsToSingle(
        (BitConverter.SingleToUInt32Bits(X[2 * index]) >> 16) | (BitConverter.SingleToUInt32Bits(X[(2 * index) + 1]) & 0xFFFF0000));

    private protected override KernelWork WorkOf(DeviceLimits device) => FoldNormKernel.SelectConfig(Shape).Work(Shape);
}
