namespace PixioCuda.Imaging.Resampling;

/// <summary>The weights that one axis of a resize takes: for each kept output position, the first input position and the weights from there
/// on, in 22-bit fixed point.</summary>
/// <remarks>Pillow's numbers, bit for bit: the cubic kernel with A = -0.5, stretched by the scale where the picture shrinks (antialiasing),
/// cut off at the border and normalised in double precision before it is rounded.</remarks>
internal sealed class BicubicAxis
{
    /// <summary>Fraction bits of a weight: 8 bits of pixel and 2 of headroom fill the rest of 32.</summary>
    public const int FractionBits = 32 - 8 - 2;

    /// <summary>One half in fixed point, what sums begin with so that the shift rounds.</summary>
    public const int Half = 1 << (FractionBits - 1);

    private const double A = -0.5;
    private const double KernelRadius = 2.0;

    private readonly int[] _first;
    private readonly int[] _count;
    private int[]? _spread;

    /// <summary>Computes the weights of <paramref name="cropSize"/> output positions from <paramref name="cropStart"/> on, of a resize from
    /// <paramref name="inputSize"/> to <paramref name="outputSize"/>.</summary>
    public BicubicAxis(int inputSize, int outputSize, int cropStart, int cropSize)
    {
        double scale = (double)inputSize / outputSize;
        double stretch = Math.Max(scale, 1.0);
        double radius = KernelRadius * stretch;
        Stride = StrideOf(inputSize, outputSize);
        Weights = new int[checked(Stride * cropSize)];
        _first = new int[cropSize];
        _count = new int[cropSize];

        double[] exact = new double[Stride];
        for (int i = 0; i < cropSize; i++)
        {
            double center = (cropStart + i + 0.5) * scale;
            int first = Math.Max((int)(center - radius + 0.5), 0);
            int count = Math.Min((int)(center + radius + 0.5), inputSize) - first;

            double sum = 0;
            for (int k = 0; k < count; k++)
                sum += exact[k] = Kernel((k + first - center + 0.5) * (1.0 / stretch));

            Span<int> weights = Weights.AsSpan(i * Stride, Stride);
            for (int k = 0; k < count; k++)
            {
                double weight = sum != 0 ? exact[k] / sum : exact[k];
                weights[k] = (int)(weight * (1 << FractionBits) + (weight < 0 ? -0.5 : 0.5));
            }

            _first[i] = first;
            _count[i] = count;
        }
    }

    /// <summary>The number of kept output positions.</summary>
    public int Size => _first.Length;

    /// <summary>The first input position that anything is taken from.</summary>
    public int InputStart => _first[0];

    /// <summary>One behind the last input position that anything is taken from.</summary>
    public int InputEnd => _first[^1] + _count[^1];

    /// <summary>[Size, Stride]: the weights, each row filled up with zeros.</summary>
    public int[] Weights { get; }

    /// <summary>The most weights that an output position has.</summary>
    public int Stride { get; }

    /// <summary>[Size]: the input position of each first weight.</summary>
    public ReadOnlySpan<int> First => _first;

    /// <summary>[Size]: how many weights each output position has.</summary>
    public ReadOnlySpan<int> Count => _count;

    /// <summary>The <see cref="Stride"/> of a resize from <paramref name="inputSize"/> to <paramref name="outputSize"/>.</summary>
    public static int StrideOf(int inputSize, int outputSize)
    {
        double radius = KernelRadius * Math.Max((double)inputSize / outputSize, 1.0);
        return checked((int)Math.Min((long)Math.Ceiling(radius) * 2 + 1, inputSize));
    }

    /// <summary>How many vectors of <paramref name="pixelCount"/> pixels an output position takes at most.</summary>
    public int GroupsPerPosition(int pixelCount) => (Stride + pixelCount - 1) / pixelCount;

    /// <summary>[Size, GroupsPerPosition, laneCount]: each weight three times, <paramref name="pixelCount"/> of them in a vector, the rest
    /// of its lanes zero, so that a vector of RGB pixels is multiplied at once. Kept; always asked for with the same counts.</summary>
    public int[] WeightsSpreadOverRgb(int pixelCount, int laneCount)
    {
        if (_spread is { } known)
            return known;

        int groups = GroupsPerPosition(pixelCount);
        int[] spread = new int[checked(Size * groups * laneCount)];
        for (int i = 0; i < Size; i++)
        {
            for (int k = 0; k < Stride; k++)
            {
                int lane = (i * groups + k / pixelCount) * laneCount + 3 * (k % pixelCount);
                spread.AsSpan(lane, 3).Fill(Weights[i * Stride + k]);
            }
        }

        return _spread = spread;
    }

    private static double Kernel(double x)
    {
        x = Math.Abs(x);
        if (x < 1.0)
            return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
        return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * A : 0.0;
    }
}
