using PixioCuda.Kernels;

namespace PixioCuda.Cuda.Tests;

/// <summary>Attention by the definition, one head at a time: in double precision, and by the book in the precision of a kernel.</summary>
internal sealed class AttentionReference
{
    private const double U = 1.0 / (1 << 24);    // the rounding error of float32

    private readonly AttentionShape _shape;
    private readonly float[] _qkv;

    public AttentionReference(AttentionShape shape, float[] qkv)
    {
        _shape = shape;
        _qkv = qkv;
    }

    private int Tokens => _shape.Tokens;

    private int Dim => _shape.HeadDim;

    private double Scale => 1 / Math.Sqrt(Dim);

    public ReadOnlySpan<float> Query(int picture, int head, int token) => Row(picture, head, token, 0);

    public ReadOnlySpan<float> Key(int picture, int head, int token) => Row(picture, head, token, 1);

    public ReadOnlySpan<float> Value(int picture, int head, int token) => Row(picture, head, token, 2);

    /// <summary>The probabilities of one query in double precision.</summary>
    public double[] Probabilities(int picture, int head, int token)
    {
        double[] scores = new double[Tokens];
        ReadOnlySpan<float> query = Query(picture, head, token);
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> key = Key(picture, head, j);
            for (int i = 0; i < Dim; i++)
                scores[j] += (double)query[i] * key[i];
        }

        double maximum = scores.Max(), sum = 0;
        for (int j = 0; j < Tokens; j++)
            sum += scores[j] = Math.Exp((scores[j] - maximum) * Scale);
        for (int j = 0; j < Tokens; j++)
            scores[j] /= sum;
        return scores;
    }

    /// <summary>The same in float32, each sum in one plain loop.</summary>
    public float[] ProbabilitiesByTheBook(int picture, int head, int token)
    {
        float[] scores = new float[Tokens];
        ReadOnlySpan<float> query = Query(picture, head, token);
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> key = Key(picture, head, j);
            for (int i = 0; i < Dim; i++)
                scores[j] += query[i] * key[i];
            scores[j] *= (float)Scale;
        }

        float maximum = scores.Max(), sum = 0;
        for (int j = 0; j < Tokens; j++)
            sum += scores[j] = MathF.Exp(scores[j] - maximum);
        for (int j = 0; j < Tokens; j++)
            scores[j] /= sum;
        return scores;
    }

    /// <summary>A query's context in double precision.</summary>
    public double[] Context(int picture, int head, double[] probabilities)
    {
        double[] context = new double[Dim];
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> value = Value(picture, head, j);
            for (int i = 0; i < Dim; i++)
                context[i] += probabilities[j] * value[i];
        }

        return context;
    }

    /// <summary>A query's context with float32 sums, probabilities and result rounded to the shape's element.</summary>
    public float[] ContextByTheBook(int picture, int head, float[] probabilities)
    {
        float[] context = new float[Dim];
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> value = Value(picture, head, j);
            float probability = (float)Numbers.Round(probabilities[j], _shape.Element);
            for (int i = 0; i < Dim; i++)
                context[i] += probability * value[i];
        }

        return Numbers.Rounded(context, _shape.Element);
    }

    /// <summary>By how much, relative to itself, rounding may move e^score of each key before it is divided by the sum. Any order of a sum of
    /// n terms errs by at most n u times the sum of their sizes; scaling, taking the maximum away and the exponential (4 u) add a few.</summary>
    /// <param name="picture">Of the query.</param>
    /// <param name="head">Of the query.</param>
    /// <param name="token">The query.</param>
    /// <param name="common">What is taken from all keys first, or null.</param>
    public double[] ExponentialErrors(int picture, int head, int token, double[]? common)
    {
        double[] sizes = new double[Tokens], scores = new double[Tokens];
        ReadOnlySpan<float> query = Query(picture, head, token);
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> key = Key(picture, head, j);
            for (int i = 0; i < Dim; i++)
            {
                double product = query[i] * (key[i] - (common is null ? 0 : common[i]));
                scores[j] += product * Scale;
                sizes[j] += Math.Abs(product) * Scale;
            }
        }

        double most = scores.Max(Math.Abs);
        return [.. sizes.Select(size => U * (((Dim + 2) * size) + (4 * most) + 8))];
    }

    /// <summary>The most that each element of a query's context may be off: the errors of the exponentials, of rounding them to the element
    /// type, of a sum over the keys (and one more rounding for each block of them), and of rounding the result.</summary>
    public double[] ContextBounds(int picture, int head, double[] probabilities, double[] context, double[] exponentialErrors)
    {
        double rounding = _shape.Element == ElementType.F32 ? 0 : 0.5 * Numbers.Epsilon(_shape.Element);
        // Below its normal numbers float16 has a fixed spacing of 2^-24.
        double spacing = _shape.Element == ElementType.F16 ? Math.ScaleB(1, -24) : Math.ScaleB(1, -126);
        double[] bounds = new double[Dim];
        double total = 0;
        for (int j = 0; j < Tokens; j++)
            total += probabilities[j] * exponentialErrors[j];
        for (int j = 0; j < Tokens; j++)
        {
            ReadOnlySpan<float> value = Value(picture, head, j);
            double relative = exponentialErrors[j] + total + rounding + (2 * (Tokens + 4) * U);
            for (int i = 0; i < Dim; i++)
                bounds[i] += ((probabilities[j] * relative) + (0.5 * spacing)) * Math.Abs(value[i]);
        }

        for (int i = 0; i < Dim; i++)
            bounds[i] += (0.5 * Numbers.Epsilon(_shape.Element) * Math.Abs(context[i])) + (0.5 * spacing);
        return bounds;
    }

    private ReadOnlySpan<float> Row(int picture, int head, int token, int part)
    {
        long row = ((long)picture * Tokens) + token;
        return _qkv.AsSpan(checked((int)((((row * 3) + part) * _shape.Heads + head) * Dim)), Dim);
    }
}
