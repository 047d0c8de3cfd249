using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>One patch embedding with its inputs, and the double-precision loop that it is held against.</summary>
internal sealed class PatchEmbedCase
{
    private readonly PatchEmbedShape _shape;
    private readonly float[] _pixels;     // in the order of the shape's pixel type
    private readonly float[] _weight;     // [columns, patch elements], in the order of the pixels, as the element type holds it
    private readonly float[] _bias;
    private readonly float[] _classTokens;
    private readonly float[] _positions;

    public PatchEmbedCase(PatchEmbedShape shape)
    {
        _shape = shape;
        int count = shape.Batch * shape.Channels * shape.Height * shape.Width;
        bool bytes = shape.Pixels == PixelType.U8;
        _pixels = bytes ? [.. Numbers.Normal("bytes", count, 60, 120).Select(value => MathF.Round(Math.Clamp(value, 0, 255)))] : Numbers.Normal("pixels", count);
        _weight = Numbers.Rounded(Numbers.Normal("weight", shape.Columns * shape.PatchElements, bytes ? 0.001 : 0.05), shape.Element);
        _bias = Numbers.Normal("bias", shape.Columns);
        _classTokens = Numbers.Normal("class", Math.Max(1, shape.ClassTokens) * shape.Columns);
        _positions = Numbers.Normal("positions", shape.Tokens * shape.Columns);
    }

    /// <summary>One picture of another case's batch.</summary>
    public PatchEmbedCase(PatchEmbedShape shape, PatchEmbedCase batch, int picture)
        : this(shape)
    {
        int count = _pixels.Length;
        _pixels = batch._pixels[(picture * count)..((picture + 1) * count)];
    }

    public float[] Run(GpuDevice device, PatchEmbedConfig? config, int seeds)
    {
        PatchEmbedKernel kernel = new(device, _shape, config);
        float[] padded = new float[_shape.Columns * _shape.WeightPitch];
        for (int column = 0; column < _shape.Columns; column++)
            _weight.AsSpan(column * _shape.PatchElements, _shape.PatchElements).CopyTo(padded.AsSpan(column * _shape.WeightPitch));
        using DeviceMemory<byte> pixels = _shape.Pixels == PixelType.U8
            ? Numbers.Upload(device, Array.ConvertAll(_pixels, value => (byte)value)) : Numbers.Upload(device, _pixels, ElementType.F32);
        using DeviceMemory<byte> weight = Numbers.Upload(device, padded, _shape.Element);
        using DeviceMemory<float> bias = Numbers.Upload(device, _bias), classTokens = Numbers.Upload(device, _classTokens);
        using DeviceMemory<float> positions = Numbers.Upload(device, _positions);
        KernelWork work = kernel.Config.Work(_shape);
        byte[] y = SeededRuns.Run(
            device, (long)_shape.Batch * _shape.Tokens * _shape.Columns * _shape.Output.ByteCount(), work, RaggedBytes(kernel.Config),
            (stream, result) => kernel.Launch(
                stream, pixels.Pointer, weight.Pointer, bias.Pointer, classTokens.Pointer, positions.Pointer, result), seeds);
        return Numbers.FromBytes(y, _shape.Output);
    }

    public void AssertRight(float[] y)
    {
        int elements = _shape.PatchElements, tokens = _shape.Tokens;
        double squaredError = 0, squaredBookError = 0;
        for (int i = 0; i < y.Length; i++)
        {
            int column = i % _shape.Columns, token = i / _shape.Columns % tokens, picture = i / _shape.Columns / tokens;
            double position = _positions[(token * _shape.Columns) + column];
            double sum = 0, magnitude = Math.Abs(position);
            float book = 0;
            if (token < _shape.ClassTokens)
            {
                sum = _classTokens[(token * _shape.Columns) + column];
                magnitude += Math.Abs(sum);
                book = (float)sum + (float)position;
            }
            else
            {
                float chunk = 0;
                for (int k = 0; k < elements; k++)
                {
                    float pixel = Pixel(picture, token - _shape.ClassTokens, k), weight = _weight[(column * elements) + k];
                    sum += (double)pixel * weight;
                    magnitude += Math.Abs((double)pixel * weight);
                    chunk += pixel * weight;
                    // By the book: one float32 sum, or in float32 mode the sums of chunks of 256.
                    if (_shape.Element == ElementType.F32 && k % 256 == 255)
                        (book, chunk) = (book + chunk, 0);
                }

                book += chunk;
                book = book + _bias[column] + (float)position;
                sum += _bias[column];
                magnitude += Math.Abs(_bias[column]);
            }

            double expected = sum + position;
            // Each of the additions of float32 may lose half of the spacing of what has been added up so far, tensor cores all of it; one
            // rounding to the output.
            double bound = (Numbers.Epsilon(ElementType.F32) * (elements + 2) * magnitude) + (0.5 * Numbers.Epsilon(_shape.Output) * Math.Abs(expected))
                + Math.ScaleB(1, -24);
            double error = Math.Abs(y[i] - expected);
            Assert.True(error <= bound,
                $"{_shape}: picture {picture}, token {token}, column {column} is {y[i]}, expected {expected}; off by {error} of {bound} allowed");
            squaredError += error * error;
            squaredBookError += Math.Pow(Numbers.Round(book, _shape.Output) - expected, 2);
        }

        Assert.True(squaredError <= 1.1 * 1.1 * squaredBookError,
            $"{_shape}: the error is {Math.Sqrt(squaredError)} in all, and {Math.Sqrt(squaredBookError)} in the same precision by the book");
    }

    /// <summary>An element of a patch, as it goes into the product.</summary>
    private float Pixel(int picture, int patch, int element)
    {
        int top = patch / _shape.GridWidth * _shape.PatchHeight, left = patch % _shape.GridWidth * _shape.PatchWidth;
        if (_shape.Pixels == PixelType.U8)
        {
            int channel = element % _shape.Channels, x = element / _shape.Channels % _shape.PatchWidth, y = element / _shape.Channels / _shape.PatchWidth;
            return _pixels[((((picture * _shape.Height) + top + y) * _shape.Width) + left + x) * _shape.Channels + channel] - 128;
        }
        else
        {
            int x = element % _shape.PatchWidth, y = element / _shape.PatchWidth % _shape.PatchHeight, channel = element / _shape.PatchWidth / _shape.PatchHeight;
            int index = ((((picture * _shape.Channels) + channel) * _shape.Height) + top + y) * _shape.Width + left + x;
            return (float)Numbers.Round(_pixels[index], _shape.Element);
        }
    }

    /// <summary>Patches whose rows of pixels are no multiple of a sector share sectors with their neighbours: a sector for each access.</summary>
    private long RaggedBytes(PatchEmbedConfig config)
    {
        int run = _shape.Pixels == PixelType.U8 ? _shape.PatchWidth * _shape.Channels : _shape.PatchWidth * 4;
        (long rowTiles, long columnTiles) = config.Tiles(_shape);
        long rows = rowTiles * config.BlockRows, runs = (long)_shape.PatchElements * (_shape.Pixels == PixelType.U8 ? 1 : 4) / run;
        // A vector of a run that its access does not fill to a sector.
        long vector = (run & -run) is var power && _shape.Pixels == PixelType.U8 ? Math.Min(power, 8) : Math.Min(power, 16);
        long pixels = run % 32 == 0 ? 0 : columnTiles * rows * runs * (vector < 8 ? 32 * (run / vector) : 64);
        bool whole = _shape.Columns % 32 == 0 && _shape.WeightPitch * _shape.Element.ByteCount() % 128 == 0;
        long others = whole ? 0 : (64L * _shape.Columns * rowTiles * ((_shape.WeightPitch / 32) + 1)) + (4L * 32 * _shape.Batch * _shape.Tokens * ((_shape.Columns / 8) + 4));
        return pixels + others;
    }
}
