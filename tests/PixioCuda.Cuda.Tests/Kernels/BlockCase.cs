using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;

namespace PixioCuda.Cuda.Tests;

/// <summary>One encoder block and fc2 of the block in front of it, on one picture: run on a device with LayerNorms folded into products or
/// with kernels of their own, and done in double precision with the weights as they are stored. Results are named after what they come
/// from; those of residual products without what the stream was before, which would hide their errors.</summary>
internal sealed class BlockCase
{
    private const float Eps = 1e-6f;

    private readonly int _tokens, _width, _hidden, _heads;
    private readonly float[] _stream, _before;
    private readonly Linear _fc2Before, _qkv, _proj, _fc1, _fc2;
    private readonly Norm _norm1, _norm2;

    public BlockCase(int tokens, int width, int hidden, int heads)
    {
        (_tokens, _width, _hidden, _heads) = (tokens, width, hidden, heads);
        _stream = Numbers.Normal("stream", tokens * width, 1.5, 0.2);
        // What GELU leaves; the rounding to bf16 is one that fp16 keeps.
        _before = Numbers.Rounded(
            Numbers.Rounded([.. Numbers.Normal("before", tokens * hidden).Select(value => (float)DoubleMath.Gelu(value))], ElementType.F16),
            ElementType.BF16);
        _fc2Before = new("fc2 before", width, hidden);
        _qkv = new("qkv", 3 * width, width);
        _proj = new("proj", width, width);
        _fc1 = new("fc1", hidden, width);
        _fc2 = new("fc2", width, hidden);
        (_norm1, _norm2) = (new("norm1", width), new("norm2", width));
    }

    /// <summary>The results in double precision, in their order.</summary>
    public Dictionary<string, double[]> InDoublePrecision()
    {
        double[] start = Widened(_stream);
        double[] added = _fc2Before.Times(Widened(_before), _tokens), x = Sum(start, added);
        double[] qkv = _qkv.Times(_norm1.Of(x, _tokens), _tokens), context = Attention(qkv), attended = _proj.Times(context, _tokens);
        double[] y = Sum(x, attended);
        double[] hidden = [.. _fc1.Times(_norm2.Of(y, _tokens), _tokens).Select(DoubleMath.Gelu)];
        double[] last = Sum(y, _fc2.Times(hidden, _tokens));
        return new()
        {
            ["fc2 before"] = added,
            ["qkv"] = qkv,
            ["context"] = context,
            ["proj"] = Difference(y, start),
            ["fc1"] = hidden,
            ["fc2"] = Difference(last, start),
        };
    }

    /// <summary>The results of a device, in their order. Launches follow each other at once, as in a captured pass.</summary>
    public Dictionary<string, float[]> Run(GpuDevice device, ElementType element, bool folds, ulong seed)
    {
        Emulator.SetSeed(seed);
        // As when a model is loaded, weights are folded on a stream of their own, and there before anything begins that may begin early.
        using GpuStream queue = device.CreateStream(), loading = device.CreateStream();
        using DeviceBlock on = new(device);
        List<Action> launches = [];
        DevicePointer<byte> stream = on.Upload(_stream, ElementType.F32), before = on.Upload(_before, element);
        DevicePointer<byte> x = on.New(_tokens * _width, ElementType.F32), y = on.New(_tokens * _width, ElementType.F32);
        DevicePointer<byte> last = on.New(_tokens * _width, ElementType.F32), rows = on.New(_tokens * _width, element);
        DevicePointer<byte> qkv = on.New(_tokens * 3 * _width, element), context = on.New(_tokens * _width, element);
        DevicePointer<byte> hidden = on.New(_tokens * _hidden, element);
        DevicePointer<byte> moments = on.NewBytes(GemmFoldingOperands.MomentBytes(_tokens, _width));

        Add(_fc2Before, before, stream, x);
        Multiply(_qkv, _norm1, x, qkv, GemmEpilogue.Bias);
        AttentionKernel attention = new(device, new AttentionShape(1, _tokens, _tokens, _heads, _width / _heads, element));
        launches.Add(() => attention.Launch(queue, qkv, context));
        Add(_proj, context, x, y);
        Multiply(_fc1, _norm2, y, hidden, GemmEpilogue.BiasGelu);
        Add(_fc2, hidden, y, last);
        loading.Synchronize();
        launches.ForEach(launch => launch());
        queue.Synchronize();
        return new()
        {
            ["fc2 before"] = Difference(Stream(x), _stream),
            ["qkv"] = on.Download(qkv, _tokens * 3 * _width, element),
            ["context"] = on.Download(context, _tokens * _width, element),
            ["proj"] = Difference(Stream(y), _stream),
            ["fc1"] = on.Download(hidden, _tokens * _hidden, element),
            ["fc2"] = Difference(Stream(last), _stream),
        };

        // Adds to the stream, and leaves what the next norm is folded from.
        void Add(Linear linear, DevicePointer<byte> a, DevicePointer<byte> residual, DevicePointer<byte> c)
        {
            GemmShape shape = new(_tokens, linear.Rows, linear.Columns, element, ElementType.F32, GemmEpilogue.BiasResidual)
            {
                Folding = folds ? GemmFolding.Prepares : GemmFolding.None,
            };
            GemmKernel kernel = new(device, shape);
            DevicePointer<byte> w = on.Upload(linear.Weight, element);
            DevicePointer<float> bias = on.Upload(linear.Bias);
            launches.Add(() => kernel.Launch(queue, a, w, bias, residual, c, folds ? new(moments, Copy: rows) : default));
        }

        // Multiplies the normed stream.
        void Multiply(Linear linear, Norm norm, DevicePointer<byte> from, DevicePointer<byte> c, GemmEpilogue epilogue)
        {
            DevicePointer<float> normWeight = on.Upload(norm.Weight), normBias = on.Upload(norm.Bias), bias = on.Upload(linear.Bias);
            GemmKernel kernel = new(device, new GemmShape(_tokens, linear.Rows, linear.Columns, element, element, epilogue)
            {
                Folding = folds ? GemmFolding.Applies : GemmFolding.None,
            });
            if (!folds)
            {
                LayerNormKernel normKernel = new(device, new LayerNormShape(1, _tokens, 0, _tokens, _width, ElementType.F32, element));
                DevicePointer<byte> rounded = on.Upload(linear.Weight, element);
                launches.Add(() => normKernel.Launch(queue, from, normWeight, normBias, rows, Eps));
                launches.Add(() => kernel.Launch(queue, rows, rounded, bias, default, c));
                return;
            }

            FoldNormShape fold = new(linear.Rows, linear.Columns, ElementType.F32, element);
            DevicePointer<byte> w = on.New(linear.Weight.Length, element), stored = on.Upload(linear.Weight, ElementType.F32);
            DevicePointer<float> sums = on.NewBytes(linear.Rows * sizeof(float)).As<float>();
            new FoldNormKernel(device, FoldNormKernel.SelectConfig(fold)).Launch(loading, fold, stored, normWeight, normBias, w, sums, bias);
            launches.Add(() => kernel.Launch(queue, rows, w, bias, default, c, new(moments, sums, Eps: Eps)));
        }

        float[] Stream(DevicePointer<byte> place) => on.Download(place, _tokens * _width, ElementType.F32);
    }

    private double[] Attention(double[] qkv)
    {
        int dim = _width / _heads;
        double[] context = new double[_tokens * _width];
        for (int head = 0; head < _heads; head++)
        {
            for (int token = 0; token < _tokens; token++)
            {
                double[] weights = [.. Enumerable.Range(0, _tokens).Select(key => Math.Exp(
                    Enumerable.Range(0, dim).Sum(i => At(token, 0, head, i) * At(key, 1, head, i)) / Math.Sqrt(dim)))];
                double sum = weights.Sum();
                for (int i = 0; i < dim; i++)
                {
                    int column = i;
                    context[(token * _width) + (head * dim) + i] =
                        Enumerable.Range(0, _tokens).Sum(key => weights[key] * At(key, 2, head, column)) / sum;
                }
            }
        }

        return context;

        double At(int token, int part, int head, int i) => qkv[(((token * 3) + part) * _width) + (head * dim) + i];
    }

    private static double[] Widened(float[] values) => Array.ConvertAll(values, value => (double)value);

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Difference(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x - y)];

    // Exact or nearly so: neighbouring float32 numbers.
    private static float[] Difference(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x - y)];

    /// <summary>A product's weights, [Rows, Columns], and bias.</summary>
    private sealed class Linear(string name, int rows, int columns)
    {
        public int Rows => rows;

        public int Columns => columns;

        // 1 / sqrt(columns): results as large as what is multiplied.
        public float[] Weight { get; } = Numbers.Normal(name, rows * columns, 1 / Math.Sqrt(columns));

        public float[] Bias { get; } = Numbers.Normal(name + ".bias", rows, 0.3);

        public double[] Times(double[] a, int tokens)
        {
            double[] c = new double[tokens * rows];
            Parallel.For(0, rows, row =>
            {
                for (int token = 0; token < tokens; token++)
                {
                    double sum = Bias[row];
                    for (int k = 0; k < columns; k++)
                        sum += a[(token * columns) + k] * Weight[(row * columns) + k];
                    c[(token * rows) + row] = sum;
                }
            });
            return c;
        }
    }

    /// <summary>LayerNorm.</summary>
    private sealed class Norm(string name, int columns)
    {
        public float[] Weight { get; } = Numbers.Normal(name, columns, 0.3, 1);

        public float[] Bias { get; } = Numbers.Normal(name + ".bias", columns, 0.3);

        public double[] Of(double[] x, int tokens)
        {
            double[] y = new double[x.Length];
            for (int token = 0; token < tokens; token++)
            {
                ReadOnlySpan<double> row = x.AsSpan(token * columns, columns);
                double mean = 0, variance = 0;
                foreach (double value in row)
                    mean += value / columns;
                foreach (double value in row)
                    variance += (value - mean) * (value - mean) / columns;
                for (int column = 0; column < columns; column++)
                    y[(token * columns) + column] = ((row[column] - mean) / Math.Sqrt(variance + Eps) * Weight[column]) + Bias[column];
            }

            return y;
        }
    }

    /// <summary>Device memory of a run.</summary>
    private sealed class DeviceBlock(GpuDevice device) : IDisposable
    {
        private readonly List<IDisposable> _memory = [];

        public DevicePointer<byte> Upload(float[] values, ElementType type) => Keep(Numbers.Upload(device, values, type));

        public DevicePointer<float> Upload(float[] values) => Keep(Numbers.Upload(device, values, ElementType.F32)).As<float>();

        public DevicePointer<byte> New(long elements, ElementType type) => NewBytes(elements * type.ByteCount());

        public DevicePointer<byte> NewBytes(long bytes) => Keep(device.Allocate<byte>(bytes));

        public float[] Download(DevicePointer<byte> from, int elements, ElementType type)
        {
            byte[] bytes = new byte[elements * type.ByteCount()];
            device.Download(from, bytes.AsSpan());
            return Numbers.FromBytes(bytes, type);
        }

        public void Dispose() => _memory.ForEach(memory => memory.Dispose());

        private DevicePointer<byte> Keep(DeviceMemory<byte> memory)
        {
            _memory.Add(memory);
            return memory.Pointer;
        }
    }
}
