using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public class TransposeTests
{
    [Fact]
    public void Every_small_shape_is_transposed_and_nothing_else_is_touched()
    {
        for (int rows = 0; rows <= 9; rows++)
        {
            for (int columns = 0; columns <= 9; columns++)
            {
                int sourceStride = columns + 2, targetStride = rows + 3;
                float[] source = Noise.Normal("source", Math.Max(rows * sourceStride, 1));
                float[] target = new float[Math.Max(columns * targetStride, 1)];
                Array.Fill(target, -7f);
                Transpose.Run(source, sourceStride, rows, columns, target, targetStride);
                for (int column = 0; column < columns; column++)
                {
                    for (int row = 0; row < targetStride; row++)
                        Assert.Equal(row < rows ? source[(row * sourceStride) + column] : -7f, target[(column * targetStride) + row]);
                }
            }
        }
    }

    [Fact]
    public void Memory_that_is_too_small_is_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Transpose.Run(new float[11], 3, 4, new float[12], 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transpose.Run(new float[12], 3, 4, new float[11], 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transpose.Run(new float[12], 3, 4, new float[12], 2));
    }
}
