using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What a weight has to be that has taken a LayerNorm in.</summary>
internal static class FoldedRows
{
    /// <summary>Holds the three results to double precision.</summary>
    /// <param name="element">The type of the folded weights.</param>
    /// <param name="x">[rows, columns] as stored.</param>
    /// <param name="normWeight">[columns].</param>
    /// <param name="normBias">[columns].</param>
    /// <param name="bias">[rows] as stored.</param>
    /// <param name="folded">[rows, columns]: the folded weights.</param>
    /// <param name="rowSums">[rows]: the sums of their rows.</param>
    /// <param name="biases">[rows]: the biases with what the norm adds.</param>
    public static void Check(
        ElementType element, float[] x, float[] normWeight, float[] normBias, float[] bias, float[] folded, ReadOnlySpan<float> rowSums,
        ReadOnlySpan<float> biases)
    {
        int rows = bias.Length, columns = normWeight.Length;
        double unit = Numbers.Epsilon(ElementType.F32) / 2;
        for (int row = 0; row < rows; row++)
        {
            double sum = 0, sumMagnitude = 0, expectedBias = bias[row], magnitude = Math.Abs(expectedBias);
            for (int column = 0; column < columns; column++)
            {
                int index = (row * columns) + column;
                // One rounding of the float32 product.
                Assert.Equal((float)Numbers.Round(x[index] * normWeight[column], element), folded[index]);
                sum += folded[index];
                sumMagnitude += Math.Abs(folded[index]);
                expectedBias += (double)x[index] * normBias[column];
                magnitude += Math.Abs((double)x[index] * normBias[column]);
            }

            Assert.InRange(rowSums[row], sum - (columns * unit * sumMagnitude), sum + (columns * unit * sumMagnitude));
            double bound = (columns + 1) * unit * magnitude;
            Assert.InRange(biases[row], expectedBias - bound, expectedBias + bound);
        }
    }
}
