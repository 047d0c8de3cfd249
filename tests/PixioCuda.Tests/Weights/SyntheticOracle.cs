using System.Numerics;
using System.Text;

namespace PixioCuda.Tests.Weights;

/// <summary>Synthetic values straight from their definition, in integers of any size, one value at a time.</summary>
internal static class SyntheticOracle
{
    private static readonly BigInteger Wrap = BigInteger.One << 64;

    public static float Value(string name, long index, double mean, double std, ulong seed)
    {
        BigInteger hash = 0xCBF29CE484222325;
        foreach (byte unit in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ unit) * 0x100000001B3 % Wrap;
        BigInteger z = (hash + (BigInteger)seed * 0xD1342543DE82EF95 + (index + BigInteger.One) * 0x9E3779B97F4A7C15) % Wrap;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % Wrap;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % Wrap;
        z ^= z >> 31;
        BigInteger sum = -131070;
        for (int part = 0; part < 4; part++)
            sum += (z >> (16 * part)) % 65536;
        double scale = std / Math.Sqrt(1431655765.0);
        double product = (double)sum * scale;
        return (float)(mean + product);
    }

    /// <summary>The table of means and standard deviations, by the ends of names.</summary>
    public static (double Mean, double Std) Distribution(string name, PixioConfig model)
    {
        double d = model.HiddenSize;
        bool bias = name.EndsWith(".bias", StringComparison.Ordinal);
        if (name.StartsWith("embeddings.patch_embeddings.", StringComparison.Ordinal))
            return (0, bias ? 0.05 : Math.Sqrt(1.0 / (model.Channels * model.PatchSize.Height * model.PatchSize.Width)));
        if (name.StartsWith("embeddings.", StringComparison.Ordinal))
            return (0, 0.5);
        if (name.Contains("norm", StringComparison.Ordinal))
            return bias ? (0, 0.1) : (1, 0.2);
        if (bias)
            return (0, 0.05);
        string module = name.Split('.')[^2];
        return (0, module switch
        {
            "query" or "key" => Math.Sqrt(1.5 / d),
            "value" or "fc1" => Math.Sqrt(1 / d),
            "dense" => 0.5 * Math.Sqrt(1 / d),
            "fc2" => 0.7 * Math.Sqrt(1 / (model.MlpRatio * d)),
            _ => throw new ArgumentException(name),
        });
    }
}
