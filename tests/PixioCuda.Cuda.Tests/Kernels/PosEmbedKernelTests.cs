using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

public sealed class PosEmbedKernelTests
{
    public static TheoryData<int, int, int, int, int, int> Shapes => new()
    {
        // class tokens, stored height and width, height and width, columns
        { 8, 4, 4, 2, 8, 64 }, { 1, 5, 5, 7, 3, 36 }, { 0, 3, 2, 1, 1, 10 }, { 8, 16, 16, 9, 13, 130 }, { 2, 4, 4, 4, 4, 61 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Positions_are_resized_as_PyTorch_does_it(int classTokens, int storedHeight, int storedWidth, int height, int width, int columns)
    {
        PosEmbedShape shape = new(classTokens, storedHeight, storedWidth, height, width, columns);
        using GpuDevice device = Emulator.Open();
        using GpuStream stream = device.CreateStream();
        float[] stored = Numbers.Normal("stored", (classTokens + (storedHeight * storedWidth)) * columns);
        using DeviceMemory<float> storedMemory = Numbers.Upload(device, stored);
        PosEmbedKernel kernel = new(device, shape);
        float[]? first = null;
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            using DeviceMemory<float> tableMemory = device.Allocate<float>((long)shape.Tokens * columns);
            _ = Emulator.TakeTraffic();
            kernel.Launch(stream, storedMemory.Pointer, tableMemory.Pointer);
            stream.Synchronize();
            // Rows that are no whole sectors share one with each neighbour.
            TrafficAssert.IsAsDeclared(kernel.Config.Work(shape), columns % 8 == 0 ? 0 : 17L * 64 * shape.Tokens * 4);
            float[] table = new float[tableMemory.Count];
            device.Download(tableMemory, table.AsSpan());
            first ??= table;
            Assert.Equal(first, table);
        }

        Assert.Equal(stored[..(classTokens * columns)], first![..(classTokens * columns)]);
        for (int patch = 0; patch < height * width; patch++)
        {
            (int y, int x) = (patch / width, patch % width);
            for (int column = 0; column < columns; column++)
            {
                (double expected, double magnitude) = Interpolated(shape, stored, y, x, column, 0, 0);
                double actual = first[((classTokens + patch) * columns) + column];
                // Products and sums in float32, and a position that three roundings of float32 may have moved.
                double moved = 1.5 * Numbers.Epsilon(ElementType.F32) * Math.Max(storedHeight, storedWidth);
                double bound = (16 * Numbers.Epsilon(ElementType.F32) * magnitude)
                    + Difference(moved, 0) + Difference(0, moved) + Difference(-moved, 0) + Difference(0, -moved);
                Assert.True(Math.Abs(actual - expected) <= bound, $"{shape}: ({y}, {x}), column {column} is {actual}, expected {expected}, {bound} allowed");

                double Difference(double movedY, double movedX)
                    => Math.Abs(Interpolated(shape, stored, y, x, column, movedY, movedX).Value - expected);
            }
        }
    }

    /// <summary>The resize by its definition: a sum over all stored positions, clamped at the border, weighted by the kernel of the distance.</summary>
    private static (double Value, double Magnitude) Interpolated(PosEmbedShape shape, float[] stored, int y, int x, int column, double movedY, double movedX)
    {
        double centerY = ((y + 0.5) * shape.StoredHeight / shape.Height) - 0.5 + movedY, centerX = ((x + 0.5) * shape.StoredWidth / shape.Width) - 0.5 + movedX;
        double sum = 0, magnitude = 0;
        for (int row = (int)Math.Floor(centerY) - 1; row <= (int)Math.Floor(centerY) + 2; row++)
        {
            for (int line = (int)Math.Floor(centerX) - 1; line <= (int)Math.Floor(centerX) + 2; line++)
            {
                int index = (Math.Clamp(row, 0, shape.StoredHeight - 1) * shape.StoredWidth) + Math.Clamp(line, 0, shape.StoredWidth - 1);
                double term = Cubic(row - centerY) * Cubic(line - centerX) * stored[((shape.ClassTokens + index) * shape.Columns) + column];
                sum += term;
                magnitude += Math.Abs(term);
            }
        }

        return (sum, magnitude);
    }

    private static double Cubic(double distance)
    {
        const double A = -0.75;
        double x = Math.Abs(distance);
        return x <= 1 ? ((A + 2) * x * x * x) - ((A + 3) * x * x) + 1
            : x < 2 ? (A * x * x * x) - (5 * A * x * x) + (8 * A * x) - (4 * A)
            : 0;
    }
}
