using PixioCuda.Cpu;
using Xunit;

namespace PixioCuda.Tests.Cpu;

public unsafe class PositionTableTests
{
    [Theory]
    [InlineData(4, 4, 2, 8)]
    [InlineData(4, 4, 1, 1)]
    [InlineData(16, 16, 32, 32)]
    [InlineData(5, 3, 7, 11)]
    [InlineData(1, 1, 3, 4)]
    public void Resized_positions_match_the_bicubic_kernel(int storedHeight, int storedWidth, int height, int width)
    {
        const int classTokens = 3, hiddenSize = 5;
        int storedCount = classTokens + (storedHeight * storedWidth);
        float[] stored = Noise.Normal("positions", storedCount * hiddenSize);
        using AlignedBuffer buffer = CpuFixture.Buffer(stored, stored.Length);
        using AlignedBuffer table = PositionTable.Resize(buffer.Floats, new(storedHeight, storedWidth), new(height, width), classTokens, hiddenSize);

        float[] expected = new float[(classTokens + (height * width)) * hiddenSize];
        stored.AsSpan(0, classTokens * hiddenSize).CopyTo(expected);
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                for (int channel = 0; channel < hiddenSize; channel++)
                {
                    double centreY = ((y + 0.5) * storedHeight / height) - 0.5, centreX = ((x + 0.5) * storedWidth / width) - 0.5;
                    double sum = 0;
                    for (int i = -1; i <= 2; i++)
                    {
                        for (int j = -1; j <= 2; j++)
                        {
                            int row = (int)Math.Floor(centreY) + i, column = (int)Math.Floor(centreX) + j;
                            int clamped = (Math.Clamp(row, 0, storedHeight - 1) * storedWidth) + Math.Clamp(column, 0, storedWidth - 1);
                            sum += Kernel(centreY - row) * Kernel(centreX - column) * stored[((classTokens + clamped) * hiddenSize) + channel];
                        }
                    }

                    expected[((classTokens + (y * width) + x) * hiddenSize) + channel] = (float)sum;
                }
            }
        }

        Accuracy.Within(1e-6, new ReadOnlySpan<float>(table.Floats, expected.Length), expected, $"{storedHeight}x{storedWidth} to {height}x{width}");
    }

    /// <summary>Keys' cubic convolution kernel with PyTorch's A.</summary>
    private static double Kernel(double distance)
    {
        const double a = -0.75;
        double x = Math.Abs(distance);
        return x <= 1 ? ((a + 2) * x * x * x) - ((a + 3) * x * x) + 1
            : x < 2 ? (a * x * x * x) - (5 * a * x * x) + (8 * a * x) - (4 * a)
            : 0;
    }
}
