namespace PixioCuda.Cpu;

/// <summary>The position embeddings of another grid than the stored one: the class part stays, the patch part is seen as a picture of
/// d channels and resized as PyTorch's bicubic interpolation does it (align_corners=False, A = -0.75, no antialiasing, float32,
/// border indices clamped).</summary>
internal static unsafe class PositionTable
{
    private const float A = -0.75f;

    /// <summary>Makes the table [n + grid area, d] from the stored one [n + storedGrid area, d].</summary>
    public static AlignedBuffer Resize(float* stored, ImageSize storedGrid, ImageSize grid, int classTokens, int hiddenSize)
    {
        AlignedBuffer table = new(checked((classTokens + grid.Area) * hiddenSize * sizeof(float)));
        long classElements = (long)classTokens * hiddenSize;
        Buffer.MemoryCopy(stored, table.Floats, table.ByteCount, classElements * sizeof(float));

        float* source = stored + classElements;
        float* target = table.Floats + classElements;
        float* rowWeights = stackalloc float[4], columnWeights = stackalloc float[4];
        int* rowIndices = stackalloc int[4], columnIndices = stackalloc int[4];
        for (int y = 0; y < grid.Height; y++)
        {
            Taps(y, grid.Height, storedGrid.Height, rowIndices, rowWeights);
            for (int x = 0; x < grid.Width; x++)
            {
                Taps(x, grid.Width, storedGrid.Width, columnIndices, columnWeights);
                for (int channel = 0; channel < hiddenSize; channel++)
                {
                    float sum = 0;
                    for (int i = 0; i < 4; i++)
                    {
                        float* line = source + ((long)rowIndices[i] * storedGrid.Width * hiddenSize) + channel;
                        float lineSum = 0;
                        for (int j = 0; j < 4; j++)
                            lineSum += line[(long)columnIndices[j] * hiddenSize] * columnWeights[j];
                        sum += lineSum * rowWeights[i];
                    }

                    target[channel] = sum;
                }

                target += hiddenSize;
            }
        }

        return table;
    }

    /// <summary>The four source indices and weights of one target index.</summary>
    private static void Taps(int target, int targetLength, int sourceLength, int* indices, float* weights)
    {
        float position = ((float)sourceLength / targetLength * (target + 0.5f)) - 0.5f;
        float floor = MathF.Floor(position);
        float t = position - floor;
        weights[0] = Outer(t + 1);
        weights[1] = Inner(t);
        weights[2] = Inner(1 - t);
        weights[3] = Outer(2 - t);
        for (int tap = 0; tap < 4; tap++)
            indices[tap] = Math.Clamp((int)floor - 1 + tap, 0, sourceLength - 1);
    }

    /// <summary>The cubic kernel at distances up to 1.</summary>
    private static float Inner(float x) => (((((A + 2) * x) - (A + 3)) * x) * x) + 1;

    /// <summary>The cubic kernel at distances from 1 to 2.</summary>
    private static float Outer(float x) => (((((A * x) - (5 * A)) * x) + (8 * A)) * x) - (4 * A);
}
