using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace PixioCuda.Tests.Cli;

/// <summary>Reads .npy files of float32, version 1.0, by the format's description: the oracle for what the command line writes.</summary>
internal static partial class MinimalNpy
{
    public static (int[] Shape, float[] Values) Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        Assert.Equal([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0], file[..8]);
        int headerLength = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(8));
        string header = Encoding.ASCII.GetString(file, 10, headerLength);
        Assert.Contains("'descr': '<f4'", header, StringComparison.Ordinal);
        int[] shape = [.. Shape().Match(header).Groups[1].Value
            .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(dimension => int.Parse(dimension, CultureInfo.InvariantCulture))];
        float[] values = new float[shape.Aggregate(1, (product, dimension) => product * dimension)];
        Assert.Equal(10 + headerLength + (4 * values.Length), file.Length);
        for (int i = 0; i < values.Length; i++)
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(file.AsSpan(10 + headerLength + (4 * i)));
        return (shape, values);
    }

    [GeneratedRegex(@"'shape': \(([^)]*)\)")]
    private static partial Regex Shape();
}
