using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Bias, GELU and residual behind a library's product. How exact GELU itself is, <see cref="GeluTests"/> says of the same device code.</summary>
[RunsSources("gemm_epilogue.cu")]
public sealed class GemmEpilogueKernelTests
{
    private static readonly ElementType[] Outputs = [ElementType.F32, ElementType.BF16, ElementType.F16];

    public static TheoryData<int, int> Shapes => new()
    {
        { 1, 1 }, { 7, 9 }, { 3, 36 }, { 65, 66 }, { 9, 768 }, { 2, 5120 }, { 264, 144 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Results_are_those_of_double_precision(int rows, int columns)
    {
        using GpuDevice device = Emulator.Open();
        float[] x = Numbers.Normal("x", rows * columns), residual = Numbers.Normal("residual", rows * columns);
        float[] bias = Numbers.Normal("bias", columns);
        using DeviceMemory<float> xMemory = Numbers.Upload(device, x), residualMemory = Numbers.Upload(device, residual);
        using DeviceMemory<float> biasMemory = Numbers.Upload(device, bias);
        foreach (ElementType output in Outputs)
        {
            foreach (GemmEpilogue epilogue in new[] { GemmEpilogue.Bias, GemmEpilogue.BiasGelu, GemmEpilogue.BiasResidual })
            {
                GemmEpilogueShape shape = new(rows, columns, epilogue, output);
                bool adds = epilogue == GemmEpilogue.BiasResidual;
                GemmEpilogueKernel kernel = new(device, shape);
                // Rows that are no whole sectors, and the last one.
                long ragged = 64L * ((rows * columns / 32) + 2);
                float[] y = Numbers.FromBytes(
                    SeededRuns.Run(
                        device, (long)rows * columns * output.ByteCount(), kernel.Config.Work(shape), kernel.Config.Vector < 4 ? ragged : 128,
                        (stream, result) => kernel.Launch(stream, xMemory.Pointer, biasMemory.Pointer, adds ? residualMemory.Pointer : default, result)),
                    output);
                double unit = output switch { ElementType.F32 => 5e-7, ElementType.F16 => Math.ScaleB(1, -10), _ => Math.ScaleB(1, -7) };
                for (int i = 0; i < y.Length; i++)
                {
                    double added = adds ? residual[i] : 0, sum = x[i] + (double)bias[i % columns] + added;
                    double expected = epilogue == GemmEpilogue.BiasGelu ? DoubleMath.Gelu(sum) : sum;
                    // One unit in the last place of the result; in float32 also what rounding the sum costs GELU.
                    double rounding = 5e-7 * (Math.Abs(x[i]) + Math.Abs(bias[i % columns]) + Math.Abs(added));
                    double bound = (unit * Math.Abs(expected)) + (output == ElementType.F16 ? Math.ScaleB(1, -24) : 0) + rounding;
                    Assert.True(Math.Abs(y[i] - expected) <= bound, $"{output}, {epilogue}, element {i}: {y[i]}, expected {expected}");
                }
            }
        }
    }

    [Fact]
    public void Float32_works_in_place()
    {
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        float[] x = Numbers.Normal("x", 5 * 48), bias = Numbers.Normal("bias", 48);
        using DeviceMemory<float> xMemory = Numbers.Upload(device, x), biasMemory = Numbers.Upload(device, bias), yMemory = device.Allocate<float>(x.Length);
        GemmEpilogueKernel kernel = new(device, new GemmEpilogueShape(5, 48, GemmEpilogue.BiasGelu, ElementType.F32));
        kernel.Launch(stream, xMemory.Pointer, biasMemory.Pointer, default, yMemory.Pointer.As<byte>());
        kernel.Launch(stream, xMemory.Pointer, biasMemory.Pointer, default, xMemory.Pointer.As<byte>());
        stream.Synchronize();
        float[] apart = new float[x.Length], inPlace = new float[x.Length];
        device.Download(yMemory, apart.AsSpan());
        device.Download(xMemory, inPlace.AsSpan());
        Assert.Equal(apart, inPlace);
    }

    [Fact]
    public void Shapes_that_32_bits_do_not_count_are_refused()
    {
        Assert.Throws<ArgumentException>(() => GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(1, 0, GemmEpilogue.Bias, ElementType.F32)));
        Assert.Throws<ArgumentException>(() => GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(1L << 30, 12, GemmEpilogue.Bias, ElementType.F32)));
        Assert.Throws<ArgumentException>(() => GemmEpilogueKernel.SelectConfig(new GemmEpilogueShape(1, 12, GemmEpilogue.None, ElementType.F32)));
    }
}
