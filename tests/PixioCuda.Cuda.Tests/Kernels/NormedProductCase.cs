using System.Runtime.InteropServices;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>One product that norms its rows: a stream's copy [M, K], its moments, and folded weights; run on a device, and done by the
/// book.</summary>
internal sealed class NormedProductCase
{
    private const int GroupColumns = GemmFoldingOperands.MomentColumns;
    private const float Eps = 1e-6f;

    private readonly float[] _copy, _w, _rowSums, _bias;
    private readonly (float Mean, float Squares)[] _moments;
    private readonly (double Mean, double Scale, double MeanError, double ScaleError)[] _rows;

    /// <param name="shape">With folding that applies.</param>
    /// <param name="massive">How many times a channel is larger than the others.</param>
    public NormedProductCase(GemmShape shape, double massive = 1)
    {
        Shape = shape;
        float[] stream = Numbers.Normal("stream", shape.M * shape.K, 1.5, 0.25);
        for (int row = 0; row < shape.M; row++)
            stream[(row * shape.K) + (shape.K / 3)] *= (float)massive;
        _copy = Numbers.Rounded([.. stream.Select(value => value * Factor)], shape.Element);
        // 2 / sqrt(K): sums around 2, where GELU bends.
        _w = Numbers.Rounded(Numbers.Normal("w", shape.N * shape.K, 2 / Math.Sqrt(shape.K)), shape.Element);
        _rowSums = [.. Enumerable.Range(0, shape.N).Select(row => (float)_w.Skip(row * shape.K).Take(shape.K).Sum(value => (double)value))];
        _bias = Numbers.Normal("bias", shape.N, 0.5, 0.1);
        _moments = [.. stream.Chunk(GroupColumns).Select(MomentsOf)];
        _rows = [.. _moments.Chunk(shape.K / GroupColumns).Select(RowOf)];
    }

    public GemmShape Shape { get; }

    private float Factor => GemmFoldings.CopyFactor(Shape.Element);

    /// <summary>What a launch leaves in C under a seed.</summary>
    public byte[] Run(GpuDevice device, GemmKernel kernel, ulong seed)
    {
        using GpuStream stream = device.CreateStream();
        Emulator.SetSeed(seed);
        using DeviceMemory<byte> a = Numbers.Upload(device, _copy, Shape.Element), w = Numbers.Upload(device, _w, Shape.Element);
        using DeviceMemory<byte> moments = Numbers.Upload(device, MemoryMarshal.AsBytes(_moments.AsSpan()).ToArray());
        using DeviceMemory<float> bias = Numbers.Upload(device, _bias), rowSums = Numbers.Upload(device, _rowSums);
        using DeviceMemory<byte> c = device.Allocate<byte>((long)Shape.M * Shape.N * Shape.Output.ByteCount());
        _ = Emulator.TakeTraffic();
        kernel.Launch(
            stream, a.Pointer, w.Pointer, bias.Pointer, default, c.Pointer, new(moments.Pointer, rowSums.Pointer, Eps: Eps));
        stream.Synchronize();
        TrafficAssert.IsAsDeclared(kernel.Config.Work(Shape), RaggedBytes(kernel.Config));
        return Numbers.Download(device, c);
    }

    /// <summary>As <see cref="GemmCase.Check"/>: each element within the worst that float32 allows, all together no further off than
    /// float32 by the book.</summary>
    public void Check(byte[] c)
    {
        float[] actual = Numbers.FromBytes(c, Shape.Output);
        double errors = 0, bookErrors = 0, worst = 0;
        string worstText = "";
        for (int row = 0; row < Shape.M; row++)
        {
            for (int column = 0; column < Shape.N; column++)
            {
                (double expected, double bound, double byTheBook) = Expected(row, column);
                double value = actual[(row * Shape.N) + column], error = Math.Abs(value - expected);
                errors += error * error;
                bookErrors += (byTheBook - expected) * (byTheBook - expected);
                if (!(error / bound <= worst))
                {
                    worst = error / bound;
                    worstText = $"row {row}, column {column} is {value}, expected {expected}: {error / bound:P0} of the {bound:g3} allowed";
                }
            }
        }

        Assert.True(worst <= 1, $"{Shape}: {worstText}");
        // Four deviations of the ratio of two root mean squares, as GemmWarpgroupKernelTests has it.
        double share = 1 + (4 / Math.Sqrt((double)Shape.M * Shape.N));
        Assert.True(
            Math.Sqrt(errors) <= share * Math.Sqrt(bookErrors),
            $"{Shape}: {Math.Sqrt(errors / bookErrors):g4} of the book's error; {worstText}");
    }

    /// <summary>Mean and sum of squares of a group in double precision.</summary>
    public static (float Mean, float Squares) MomentsOf(float[] group)
    {
        double mean = group.Average(value => (double)value);
        return ((float)mean, (float)group.Sum(value => (value - mean) * (value - mean)));
    }

    /// <summary>What a row's moments say of it in double precision, and how far float32 may be from that.</summary>
    private static (double Mean, double Scale, double MeanError, double ScaleError) RowOf((float Mean, float Squares)[] groups)
    {
        double unit = Numbers.Epsilon(ElementType.F32) / 2, mean = groups.Average(group => (double)group.Mean);
        double meanError = (groups.Length + 3) * unit * groups.Average(group => Math.Abs((double)group.Mean));
        double squares = groups.Sum(group => group.Squares + (GroupColumns * (group.Mean - mean) * (group.Mean - mean)));
        double distances = groups.Sum(group => Math.Abs(group.Mean - mean));
        // Half of the relative error of the squares, and the roundings behind them.
        double scaleError = ((groups.Length + 8) * unit) + (GroupColumns * distances * meanError / squares);
        return (mean, 1 / Math.Sqrt((squares / (groups.Length * GroupColumns)) + Eps), meanError, scaleError);
    }

    private (double Value, double Bound, double ByTheBook) Expected(int row, int column)
    {
        double sum = 0, magnitude = 0;
        float book = 0;
        for (int k = 0; k < Shape.K; k++)
        {
            float a = _copy[(row * Shape.K) + k] / Factor, w = _w[(column * Shape.K) + k];
            sum += (double)a * w;
            magnitude += Math.Abs((double)a * w);
            book += a * w;
        }

        (double mean, double scale, double meanError, double scaleError) = _rows[row];
        double unit = Numbers.Epsilon(ElementType.F32) / 2, distance = sum - (mean * _rowSums[column]);
        double bound = (Shape.K * unit * magnitude) + (meanError * Math.Abs(_rowSums[column])) + (unit * Math.Abs(distance));
        bound = scale * (bound + (Math.Abs(distance) * scaleError));
        double value = (scale * distance) + _bias[column];
        bound += unit * (Math.Abs(value) + bound);
        book = ((book - ((float)mean * _rowSums[column])) * (float)scale) + _bias[column];
        if (Shape.Epilogue == GemmEpilogue.BiasGelu)
        {
            // As GemmCase has it: the slope is at most 1.13, and the function itself adds half a unit of the output.
            value = DoubleMath.Gelu(value);
            bound = (1.13 * bound) + (0.5 * Math.Abs(value) * Numbers.Epsilon(Shape.Output));
            book = (float)DoubleMath.Gelu(book);
        }

        bound += 0.5 * Numbers.Epsilon(Shape.Output) * (Math.Abs(value) + bound);
        // Results that are no normal numbers of the output.
        bound += Math.ScaleB(1, Shape.Output == ElementType.F16 ? -24 : -126);
        return (value, bound, Numbers.Round(book, Shape.Output));
    }

    /// <summary>Rows that are no multiple of a sector of 32 bytes touch one more with each access: moments of fewer than four groups, and
    /// C.</summary>
    private long RaggedBytes(GemmConfig config)
    {
        (long rows, long columns) = config.Tiles(Shape);
        int groups = Shape.K / GroupColumns;
        long ragged = groups % 4 == 0 ? 0 : 2L * 2 * 32 * ((groups / 4) + 1) * rows * config.BlockM * columns;
        // Behind the last row each lane asks for it again.
        ragged += 2L * GemmFoldingOperands.MomentBytes((rows * config.BlockM) - Shape.M + 8, Shape.K) * columns;
        if (Shape.N * 2 % 64 != 0)
            ragged += (2L * 32 * Shape.M * ((Shape.N / 16) + 1)) + (2 * 64 * columns * rows * config.Threads / 32);
        return ragged;
    }
}
