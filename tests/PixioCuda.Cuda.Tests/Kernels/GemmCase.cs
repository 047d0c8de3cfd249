using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>One matrix product with its operands: run on a device, and done by the book.</summary>
internal sealed class GemmCase
{
    private readonly float[] _a, _w, _bias, _residual;

    // Of each element of C, where they were kept.
    private readonly Sums[]? _sums;

    public GemmCase(GemmShape shape, int? rowsOfA = null, int? rowsOfC = null)
    {
        Shape = shape;
        RowsOfC = rowsOfC ?? shape.M;
        // 2 / sqrt(K): sums around 2, where GELU bends.
        _a = Numbers.Rounded(Numbers.Normal("a", (rowsOfA ?? shape.M) * shape.A.Pitch), shape.Element);
        _w = Numbers.Rounded(Numbers.Normal("w", shape.N * shape.K, 2 / Math.Sqrt(shape.K)), shape.Element);
        _bias = Numbers.Normal("bias", shape.N, 0.5, 0.1);
        _residual = Numbers.Rounded(Numbers.Normal("residual", RowsOfC * Pitch, 3), shape.Residual);
    }

    private GemmCase(GemmCase other, GemmShape shape, Sums[] sums)
    {
        Shape = shape;
        RowsOfC = other.RowsOfC;
        (_a, _w, _bias, _residual) = (other._a, other._w, other._bias, other._residual);
        _sums = sums;
    }

    /// <summary>One product in bf16 and in fp16, of the same operands: numbers that both hold, so that their sums are the same and are
    /// made once, which at full width takes longer than all else.</summary>
    /// <param name="bf16">The product in bf16; a residual is of float32.</param>
    public static (GemmCase BF16, GemmCase F16) InBothHalves(GemmShape bf16)
    {
        GemmCase common = new(bf16);
        // What is rounded to bf16 has few enough digits for fp16, but may be too small for it.
        foreach (float[] operand in (float[][])[common._a, common._w])
            Numbers.Rounded(operand, ElementType.F16).CopyTo(operand, 0);
        Sums[] sums = new Sums[bf16.M * bf16.N];
        for (int row = 0; row < bf16.M; row++)
        {
            for (int column = 0; column < bf16.N; column++)
                sums[(row * bf16.N) + column] = common.SumsOf(row, column);
        }

        GemmShape f16 = bf16 with { Element = ElementType.F16, Output = bf16.Output == ElementType.BF16 ? ElementType.F16 : bf16.Output };
        return (new GemmCase(common, bf16, sums), new GemmCase(common, f16, sums));
    }

    public GemmShape Shape { get; }

    public int RowsOfC { get; }

    private int Pitch => Shape.C.Pitch;

    /// <summary>What lies in C after a launch under a seed. Bytes that the kernel does not own hold 0xA5 before, and must hold it after.</summary>
    public byte[] Run(GpuDevice device, GemmKernel kernel, ulong seed)
    {
        using GpuStream stream = device.CreateStream();
        Emulator.SetSeed(seed);
        byte[] before = new byte[(long)RowsOfC * Pitch * Shape.Output.ByteCount()];
        // Where the types allow it, the residual is C itself, as in the residual stream.
        bool inPlace = Shape.HasResidual && Shape.Residual == Shape.Output;
        if (inPlace)
            Numbers.ToBytes(_residual, Shape.Output).CopyTo(before, 0);
        else
            Array.Fill(before, (byte)0xA5);
        using DeviceMemory<byte> a = Numbers.Upload(device, _a, Shape.Element), w = Numbers.Upload(device, _w, Shape.Element);
        using DeviceMemory<byte> residual = Numbers.Upload(device, _residual, Shape.Residual), c = Numbers.Upload(device, before);
        using DeviceMemory<float> bias = Numbers.Upload(device, _bias);
        DevicePointer<byte> residualPointer = !Shape.HasResidual ? DevicePointer<byte>.Null : inPlace ? c.Pointer : residual.Pointer;
        _ = Emulator.TakeTraffic();
        kernel.Launch(stream, a.Pointer, w.Pointer, Shape.HasBias ? bias.Pointer : DevicePointer<float>.Null, residualPointer, c.Pointer);
        stream.Synchronize();
        TrafficAssert.IsAsDeclared(kernel.Config.Work(Shape), RaggedBytes(kernel.Config));
        byte[] after = Numbers.Download(device, c);
        AssertRestUntouched(before, after);
        return after;
    }

    /// <summary>Holds results against double precision: no element further off than its precision can be at worst, and all together (relative
    /// L2) no further than the same precision by the book.</summary>
    /// <param name="c">What <see cref="Run"/> gave.</param>
    /// <param name="share">How many times the book's error is allowed.</param>
    public void Check(byte[] c, double share)
    {
        float[] actual = Numbers.FromBytes(c, Shape.Output);
        double errors = 0, bookErrors = 0, norm = 0, worst = 0;
        string worstText = "";
        for (int row = 0; row < Shape.M; row++)
        {
            for (int column = 0; column < Shape.N; column++)
            {
                (double expected, double bound) = Expected(row, column);
                double value = actual[(int)Shape.C.Offset(row) + column], error = Math.Abs(value - expected), bookError = ByTheBook(row, column) - expected;
                errors += error * error;
                bookErrors += bookError * bookError;
                norm += expected * expected;
                if (!(error / bound <= worst))
                {
                    worst = error / bound;
                    worstText = $"row {row}, column {column} is {value}, expected {expected}: {error / bound:P0} of the {bound:g3} allowed";
                }
            }
        }

        Assert.True(worst <= 1, $"{Shape}: {worstText}");
        Assert.True(Math.Sqrt(errors) <= share * Math.Sqrt(bookErrors),
            $"{Shape}: relative L2 error {Math.Sqrt(errors / norm):g4}, by the book {Math.Sqrt(bookErrors / norm):g4}; worst: {worstText}");
    }

    /// <summary>Relative L2 errors of a result, of sums in one float32 accumulator, and of sums in chunks of 256.</summary>
    public (double Actual, double Plain, double Chunked) FloatErrors(byte[] c)
    {
        float[] values = Numbers.FromBytes(c, Shape.Output);
        double actual = 0, plain = 0, chunked = 0, norm = 0;
        for (int row = 0; row < Shape.M; row++)
        {
            for (int column = 0; column < Shape.N; column++)
            {
                (double expected, _) = Expected(row, column);
                actual += Square(values[(int)Shape.C.Offset(row) + column] - expected);
                plain += Square(Sum(row, column, int.MaxValue) - expected);
                chunked += Square(Sum(row, column, 256) - expected);
                norm += expected * expected;
            }
        }

        return (Math.Sqrt(actual / norm), Math.Sqrt(plain / norm), Math.Sqrt(chunked / norm));

        static double Square(double value) => value * value;
    }

    private double A(int row, int k) => _a[(int)Shape.A.Offset(row) + k];

    private double W(int column, int k) => _w[(column * Shape.K) + k];

    private double Residual(int row, int column)
        => _residual[(int)Shape.R.Offset(row) + column];

    private (double Value, double Bound) Expected(int row, int column)
    {
        Sums sums = _sums is null ? SumsOf(row, column) : _sums[(row * Shape.N) + column];
        double sum = sums.Exact, magnitude = sums.Magnitude;

        // K additions in float32 err by half a unit each of a partial sum, which is at most the sum of magnitudes (Higham, section 4.2).
        double unit = Numbers.Epsilon(ElementType.F32) / 2, bound = Shape.K * unit * magnitude;
        if (Shape.HasBias)
        {
            sum += _bias[column];
            bound += unit * (Math.Abs(sum) + bound);
        }

        if (Shape.Epilogue == GemmEpilogue.BiasGelu)
        {
            sum = DoubleMath.Gelu(sum);
            // The slope of GELU is at most 1.13. In half precision the function itself adds half a unit of the output, so 1 with the rounding;
            // in float32 4 units (GeluTests).
            bound = (1.13 * bound) + (Math.Abs(sum) * (Shape.Output == ElementType.F32 ? 4 : 0.5) * Numbers.Epsilon(Shape.Output));
        }

        if (Shape.HasResidual)
        {
            sum += Residual(row, column);
            bound += unit * (Math.Abs(sum) + bound);
        }

        bound += 0.5 * Numbers.Epsilon(Shape.Output) * (Math.Abs(sum) + bound);
        // Results that are no normal numbers of the output.
        return (sum, bound + (Shape.Output == ElementType.F16 ? Math.ScaleB(1, -24) : Math.ScaleB(1, -126)));
    }

    /// <summary>Float32 sums, for float32 in chunks; each step of the epilogue rounded to float32, the result to the output.</summary>
    private double ByTheBook(int row, int column)
    {
        float value = _sums is null ? Sum(row, column, Shape.Element == ElementType.F32 ? 256 : int.MaxValue) : _sums[(row * Shape.N) + column].Float32;
        if (Shape.HasBias)
            value += _bias[column];
        if (Shape.Epilogue == GemmEpilogue.BiasGelu)
            value = (float)DoubleMath.Gelu(value);
        if (Shape.HasResidual)
            value += (float)Residual(row, column);
        return Numbers.Round(value, Shape.Output);
    }

    private Sums SumsOf(int row, int column)
    {
        ReadOnlySpan<float> a = _a.AsSpan((int)Shape.A.Offset(row), Shape.K), w = _w.AsSpan(column * Shape.K, Shape.K);
        double exact = 0, magnitude = 0;
        float float32 = 0;
        for (int k = 0; k < a.Length; k++)
        {
            double product = (double)a[k] * w[k];
            exact += product;
            magnitude += Math.Abs(product);
            float32 += (float)product;
        }

        return new Sums(exact, magnitude, float32);
    }

    private float Sum(int row, int column, int chunk)
    {
        float total = 0, sum = 0;
        for (int k = 0; k < Shape.K; k++)
        {
            float product = (float)A(row, k) * (float)W(column, k);
            sum += product;
            if ((k + 1) % chunk == 0)
                (total, sum) = (total + sum, 0);
        }

        return total + sum;
    }

    /// <summary>Rows that are no multiple of a sector of 32 bytes touch one more with each access that a warp makes to them.</summary>
    private long RaggedBytes(GemmConfig config)
    {
        (long rows, long columns) = config.Tiles(Shape);
        int elementBytes = Shape.Element.ByteCount();
        long slices = (Shape.K + config.BlockK - 1) / config.BlockK, ragged = 0;
        if (Shape.K * elementBytes % 32 != 0 || Shape.A.Pitch * elementBytes % 32 != 0)
            ragged += 32 * slices * 2 * rows * columns * (config.BlockM + config.BlockN) * Math.Max(1, config.BlockK * elementBytes / (32 * config.CopyBytes));
        if (Shape.N * 2 % 64 != 0 || Shape.C.Pitch * 2 % 64 != 0)
            ragged += 2L * 32 * Shape.M * (Shape.N / 16 + 1) + (64 * columns * rows * config.Threads / 32);
        return ragged;
    }

    private void AssertRestUntouched(byte[] before, byte[] after)
    {
        int size = Shape.Output.ByteCount();
        bool[] owned = new bool[before.Length];
        for (int row = 0; row < Shape.M; row++)
            Array.Fill(owned, true, (int)Shape.C.Offset(row) * size, Shape.N * size);
        for (int i = 0; i < before.Length; i++)
            Assert.True(owned[i] || before[i] == after[i], $"{Shape}: byte {i} of C, which belongs to no row, was overwritten");
    }

    /// <summary>Sums over K: in double precision, of magnitudes, and in one float32 accumulator.</summary>
    private readonly record struct Sums(double Exact, double Magnitude, float Float32);
}
