using System.Globalization;

namespace PixioCuda.Bench.Hardware;

/// <summary>What a <see cref="PeerProcess"/> is started with.</summary>
internal sealed record PeerArguments(
    string Model, string Device, PixioPrecision? Precision, int Batch, ImageSize? Size, bool WithPooler)
{
    /// <summary>Reads them.</summary>
    /// <exception cref="ArgumentException">One is unknown, lacks its value, or has one that is not allowed.</exception>
    public static PeerArguments Parse(IReadOnlyList<string> args)
    {
        PeerArguments arguments = new("", "cuda", null, 1, null, WithPooler: false);
        for (int i = 0; i < args.Count; i += 2)
        {
            string name = args[i];
            string value = i + 1 < args.Count ? args[i + 1] : throw new ArgumentException($"The argument {name} lacks its value.");
            arguments = name switch
            {
                "--model" => arguments with { Model = value },
                "--device" => arguments with { Device = value },
                "--precision" => arguments with { Precision = PrecisionOf(value) },
                "--batch" => arguments with { Batch = Number(name, value) },
                "--size" => arguments with { Size = SizeOf(value) },
                "--outputs" when value == "pooler" => arguments with { WithPooler = true },
                _ => throw new ArgumentException(
                    $"'{name} {value}' is not understood: a peer takes --model, --device, --precision, --batch, --size HxW, --outputs pooler."),
            };
        }

        return arguments.Model.Length > 0 ? arguments : throw new ArgumentException("Give a model: --model DIR.");
    }

    private static PixioPrecision PrecisionOf(string value) => value switch
    {
        "bf16" => PixioPrecision.BF16,
        "fp16" => PixioPrecision.FP16,
        "fp32" => PixioPrecision.FP32,
        _ => throw new ArgumentException($"--precision takes bf16, fp16 or fp32, not '{value}'."),
    };

    private static int Number(string name, string value)
        => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1024
            ? number : throw new ArgumentException($"{name} takes a whole number from 1 to 1024, not '{value}'.");

    private static ImageSize SizeOf(string value)
        => value.Split('x') is [string height, string width]
            ? new ImageSize(Side(height), Side(width)) : throw new ArgumentException($"--size takes HEIGHTxWIDTH, not '{value}'.");

    private static int Side(string value)
        => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int side) && side is > 0 and <= 65536
            ? side : throw new ArgumentException($"--size takes HEIGHTxWIDTH in pixels, not a side of '{value}'.");
}
