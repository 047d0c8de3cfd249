using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>What the values of a stored tensor are like. Minimum, maximum, mean and deviation are those of the finite values.</summary>
/// <param name="Tensor">Name, stored type and shape.</param>
/// <param name="NonFiniteCount">Values that are infinite or not numbers.</param>
/// <param name="ZeroCount">Values that are zero.</param>
/// <param name="Minimum">The least value.</param>
/// <param name="Maximum">The largest value.</param>
/// <param name="Mean">The mean.</param>
/// <param name="StandardDeviation">The standard deviation.</param>
public sealed record TensorStatistics(
    TensorInfo Tensor, long NonFiniteCount, long ZeroCount, float Minimum, float Maximum, double Mean, double StandardDeviation)
{
    private const int BlockElements = 1 << 18;

    /// <summary>Reads every tensor of a source once, several at a time; each thread keeps one block in memory.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="threads">How many tensors are read at once.</param>
    /// <param name="onRead">Told the elements read, on any thread.</param>
    /// <param name="cancellationToken">Stops.</param>
    internal static IReadOnlyList<TensorStatistics> OfAll(
        ITensorSource source, int threads, Action<long> onRead, CancellationToken cancellationToken)
    {
        TensorInfo[] tensors = [.. source.Tensors.Values];
        var statistics = new TensorStatistics[tensors.Length];
        Parallel.For(
            0, tensors.Length, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellationToken },
            () => new float[BlockElements],
            (index, _, block) =>
            {
                statistics[index] = Of(source, tensors[index], block, onRead, cancellationToken);
                return block;
            },
            _ => { });
        return statistics;
    }

    private static TensorStatistics Of(
        ITensorSource source, TensorInfo tensor, float[] block, Action<long> onRead, CancellationToken cancellationToken)
    {
        long nonFinite = 0, zeros = 0, count = 0;
        float minimum = float.PositiveInfinity, maximum = float.NegativeInfinity;
        double mean = 0, squares = 0;
        for (long first = 0; first < tensor.ElementCount; first += block.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Span<float> values = block.AsSpan(0, (int)Math.Min(block.Length, tensor.ElementCount - first));
            source.ReadFloats(tensor, first, values);
            double sum = 0;
            long finite = 0;
            foreach (float value in values)
            {
                if (!float.IsFinite(value))
                {
                    nonFinite++;
                    continue;
                }

                finite++;
                sum += value;
                zeros += value == 0 ? 1 : 0;
                minimum = Math.Min(minimum, value);
                maximum = Math.Max(maximum, value);
            }

            if (finite > 0)
                Merge(values, sum / finite, finite);
            onRead(values.Length);
        }

        return count > 0
            ? new TensorStatistics(tensor, nonFinite, zeros, minimum, maximum, mean, Math.Sqrt(squares / count))
            : new TensorStatistics(tensor, nonFinite, zeros, float.NaN, float.NaN, double.NaN, double.NaN);

        // Around each block's own mean, so that a large mean does not swallow the deviation.
        void Merge(ReadOnlySpan<float> values, double blockMean, long blockCount)
        {
            double blockSquares = 0;
            foreach (float value in values)
            {
                double distance = float.IsFinite(value) ? value - blockMean : 0;
                blockSquares += distance * distance;
            }

            double shift = blockMean - mean;
            long total = count + blockCount;
            squares += blockSquares + (shift * shift * count / total * blockCount);
            mean += shift * blockCount / total;
            count = total;
        }
    }
}
