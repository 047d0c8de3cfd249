using PixioCuda.Imaging;
using PixioCuda.Imaging.Resampling;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>The patch embedding, from float pixels to the float32 residual stream.</summary>
public class CudaPatchEmbedBench : CudaKernelBench
{
    private const int Channels = 3;

    private float[] _pixels = [];
    private float[] _weight = [];
    private DeviceMemory<float>? _y;

    private static int Side => BenchSize.Grid * BenchSize.Patch;

    private PatchEmbedShape Shape => new(
        Batch, Channels, Side, Side, BenchSize.Patch, BenchSize.Patch, BenchSize.ClassTokens, BenchSize.Hidden, PixelType.F32, ElementType.BF16,
        ElementType.F32);

    private protected override Action<GpuStream> Prepare()
    {
        PatchEmbedShape shape = Shape;
        _pixels = Values(Batch * Channels * Side * Side, 1);
        _weight = Values(BenchSize.Hidden * shape.PatchElements, 2);
        DeviceMemory<float> pixels = Upload(_pixels), bias = Upload(new float[BenchSize.Hidden]);
        DeviceMemory<float> classTokens = Upload(new float[BenchSize.ClassTokens * BenchSize.Hidden]), positions = Upload(new float[shape.Tokens * BenchSize.Hidden]);
        DeviceMemory<ushort> weight = Upload(BFloat16(_weight));
        _y = Allocate<float>((long)Batch * shape.Tokens * BenchSize.Hidden);
        PatchEmbedKernel kernel = new(Device, shape);
        return stream => kernel.Launch(
            stream, pixels.Pointer.As<byte>(), weight.Pointer.As<byte>(), bias.Pointer, classTokens.Pointer, positions.Pointer, _y.Pointer.As<byte>());
    }

    private protected override void Check()
    {
        float[] y = Download(_y!);
        const int P = BenchSize.Patch;
        int column = BenchSize.Hidden - 1, patch = BenchSize.Patches - 1, top = patch / BenchSize.Grid * P, left = patch % BenchSize.Grid * P;
        double expected = 0;
        for (int element = 0; element < Channels * P * P; element++)
        {
            int plane = ((Batch - 1) * Channels) + (element / (P * P)), row = top + (element / P % P), x = left + (element % P);
            expected += (double)_pixels[(((plane * Side) + row) * Side) + x] * _weight[(column * Channels * P * P) + element];
        }

        Require(y[^1], expected, 1e-4, "the last element");
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => PatchEmbedKernel.SelectConfig(Shape, device).Work(Shape);
}

/// <summary>Position embeddings for a grid of twice the side.</summary>
public class CudaPosEmbedBench : CudaKernelBench
{
    private DeviceMemory<float>? _table;

    private static PosEmbedShape Shape
        => new(BenchSize.ClassTokens, BenchSize.Grid, BenchSize.Grid, 2 * BenchSize.Grid, 2 * BenchSize.Grid, BenchSize.Hidden);

    private protected override Action<GpuStream> Prepare()
    {
        // Rows that are all the same stay the same, whatever the weights: they sum to 1.
        float[] row = Values(BenchSize.Hidden, 1);
        DeviceMemory<float> stored = Upload(Enumerable.Repeat(row, BenchSize.Tokens).SelectMany(values => values).ToArray());
        _table = Allocate<float>((long)Shape.Tokens * BenchSize.Hidden);
        PosEmbedKernel kernel = new(Device, Shape);
        return stream => kernel.Launch(stream, stored.Pointer, _table.Pointer);
    }

    private protected override void Check()
    {
        float[] table = Download(_table!), row = Values(BenchSize.Hidden, 1);
        for (int i = 0; i < table.Length; i += 97)
            Require(table[i], row[i % BenchSize.Hidden], 1e-5, $"element {i}");
    }

    private protected override KernelWork WorkOf(DeviceLimits device) => PosEmbedKernel.SelectConfig(Shape).Work(Shape);
}

/// <summary>Pillow's bicubic resize of one picture, both passes.</summary>
public class CudaResizeBench : CudaKernelBench
{
    private byte[] _source = [];
    private DeviceMemory<byte>? _output;

    private static int From => BenchSize.IsSmoke ? 40 : 1024;

    private static int To => BenchSize.IsSmoke ? 16 : 256;

    private static ResizeAxis Axis
    {
        get
        {
            BicubicAxis axis = new(From, To, 0, To);
            return new ResizeAxis([.. axis.First], [.. axis.Count], axis.Weights, axis.Stride);
        }
    }

    private protected override Action<GpuStream> Prepare()
    {
        _source = new byte[3 * From * From];
        new Random(1).NextBytes(_source);
        DeviceMemory<byte> source = Upload(_source), rows = Allocate<byte>((long)From * ResizeRowsConfig.Pitch(To));
        _output = Allocate<byte>(3L * To * To);
        DeviceResizeAxis horizontal = Keep(new DeviceResizeAxis(Device, Axis)), vertical = Keep(new DeviceResizeAxis(Device, Axis));
        ResizeRowsKernel horizontally = new(Device);
        ResizeColumnsKernel vertically = new(Device, planes: false);
        int firstRow = vertical.Axis.InputStart, rowCount = vertical.Axis.InputEnd - firstRow;
        return stream =>
        {
            horizontally.Launch(stream, source.Pointer, From, From, horizontal.Table, firstRow, rowCount, rows.Pointer);
            vertically.Launch(stream, rows.Pointer, To, vertical.Table, PixelNormalization.None, _output.Pointer);
        };
    }

    private protected override void Check()
    {
        byte[] expected = new byte[3 * To * To];
        new BicubicResizer().Resize(_source, From, From, To, To, new PixelRectangle(0, 0, To, To), expected);
        Require(Download(_output!).AsSpan().SequenceEqual(expected) ? 1 : 0, 1, 0, "equality with the CPU's pixels");
    }

    private protected override KernelWork WorkOf(DeviceLimits device)
    {
        KernelWork rows = new ResizeRowsConfig().Work(Axis, From), columns = new ResizeColumnsConfig(Planes: false).Work(Axis, To);
        return new KernelWork(
            rows.GlobalReadBytes + columns.GlobalReadBytes, rows.GlobalWriteBytes + columns.GlobalWriteBytes, rows.Flops + columns.Flops,
            rows.DramBytes + columns.DramBytes);
    }
}
