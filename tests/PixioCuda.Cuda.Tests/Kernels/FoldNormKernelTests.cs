using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class FoldNormKernelTests
{
    [Theory]
    [InlineData(1, 64, "F32", "BF16")]
    [InlineData(7, 192, "BF16", "BF16")]
    [InlineData(9, 128, "F16", "BF16")]
    [InlineData(17, 1280, "F32", "F16")]
    [InlineData(8, 4, "F16", "F16")]
    [InlineData(3, 3072, "BF16", "F16")]
    public void Folded_weights_are_what_double_precision_gives(int rows, int columns, string input, string output)
    {
        using GpuDevice device = Emulator.Open();
        FoldNormShape shape = new(rows, columns, Enum.Parse<ElementType>(input), Enum.Parse<ElementType>(output));
        float[] x = Numbers.Rounded(Numbers.Normal("x", rows * columns, 0.05), shape.Input);
        float[] weight = Numbers.Normal("weight", columns, 0.4, 1), normBias = Numbers.Normal("norm bias", columns, 0.3);
        float[] bias = Numbers.Normal("bias", rows);
        using DeviceMemory<byte> stored = Numbers.Upload(device, x, shape.Input);
        using DeviceMemory<float> normWeight = Numbers.Upload(device, weight), added = Numbers.Upload(device, normBias);
        FoldNormKernel kernel = new(device, FoldNormKernel.SelectConfig(shape));
        int matrixBytes = rows * columns * 2, rowBytes = rows * sizeof(float);
        // Each row of weights, of the norm's weight and of its bias is a sector at least.
        long ragged = columns < 16 ? 4L * 32 * rows : 0;
        // One result after the other: weights, sums of rows, biases.
        byte[] result = SeededRuns.Run(device, matrixBytes + (2 * rowBytes), kernel.Config.Work(shape), ragged, (stream, memory) =>
        {
            DevicePointer<float> sums = memory[matrixBytes].As<float>(), biases = memory[matrixBytes + rowBytes].As<float>();
            device.Upload(biases, bias.AsSpan());
            kernel.Launch(stream, shape, stored.Pointer, normWeight.Pointer, added.Pointer, memory, sums, biases);
        });

        float[] folded = Numbers.FromBytes(result[..matrixBytes], shape.Output);
        float[] vectors = Numbers.FromBytes(result[matrixBytes..], ElementType.F32);
        FoldedRows.Check(shape.Output, x, weight, normBias, bias, folded, vectors.AsSpan(0, rows), vectors.AsSpan(rows));
    }

    [Fact]
    public void Rows_in_stretches_give_the_same_bits()
    {
        const int Rows = 23, Columns = 320;
        using GpuDevice device = Emulator.Open();
        using DeviceMemory<byte> x = Numbers.Upload(device, Numbers.Normal("x", Rows * Columns, 0.05), ElementType.F32);
        using DeviceMemory<float> norm = Numbers.Upload(device, Numbers.Normal("norm", Columns));
        FoldNormShape shape = new(Rows, Columns, ElementType.F32, ElementType.BF16);
        FoldNormKernel kernel = new(device, FoldNormKernel.SelectConfig(shape));
        Assert.Equal(Run(Rows), Run(7));

        byte[] Run(int rowsAtOnce)
        {
            using GpuStream stream = device.CreateStream();
            using DeviceMemory<byte> w = device.Allocate<byte>(Rows * Columns * 2);
            using DeviceMemory<float> sums = device.Allocate<float>(Rows), bias = Numbers.Upload(device, new float[Rows]);
            for (int row = 0; row < Rows; row += rowsAtOnce)
            {
                kernel.Launch(
                    stream, shape with { Rows = Math.Min(rowsAtOnce, Rows - row) }, x.Pointer[(long)row * Columns * sizeof(float)],
                    norm.Pointer, norm.Pointer, w.Pointer[(long)row * Columns * 2], sums.Pointer[row], bias.Pointer[row]);
            }

            stream.Synchronize();
            float[] vectors = new float[2 * Rows];
            device.Download(sums, vectors.AsSpan(0, Rows));
            device.Download(bias, vectors.AsSpan(Rows));
            return [.. Numbers.Download(device, w), .. Numbers.ToBytes(vectors, ElementType.F32)];
        }
    }

    [Fact]
    public void What_cannot_be_folded_is_refused()
    {
        FoldNormShape shape = new(8, 64, ElementType.F32, ElementType.BF16);
        Assert.Throws<NotSupportedException>(() => FoldNormKernel.SelectConfig(shape with { Output = ElementType.F32 }));
        Assert.Throws<NotSupportedException>(() => FoldNormKernel.SelectConfig(shape with { Columns = 66 }));
    }
}
