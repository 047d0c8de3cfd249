namespace PixioCuda.Tests;

/// <summary>Seeded test values.</summary>
internal static class Noise
{
    /// <summary>Values with mean 0 and standard deviation 1; another name gives others.</summary>
    public static float[] Normal(string name, int count)
    {
        int seed = 17;
        foreach (char letter in name)
            seed = unchecked((seed * 31) + letter);
        Random random = new(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }
}
