using System.Globalization;

namespace PixioCuda.Peers;

/// <summary>What to compare, from the command line.</summary>
/// <param name="Model">As <c>pixio --model</c> takes it.</param>
/// <param name="Batch">Pictures in a run.</param>
/// <param name="Threads">Threads of each engine.</param>
/// <param name="Rounds">How often each engine has its turn.</param>
internal sealed record PeerOptions(string Model, int Batch, int Threads, int Rounds)
{
    public const string Usage = "usage: PixioCuda.Peers [--model random:vitb16] [--batch 1] [--threads N] [--rounds 9]";

    /// <exception cref="ArgumentException">An option is unknown, has no value or one that is not allowed.</exception>
    public static PeerOptions Parse(string[] args)
    {
        PeerOptions options = new("random:vitb16", 1, Environment.ProcessorCount, 9);
        for (int index = 0; index < args.Length; index += 2)
        {
            string value = index + 1 < args.Length ? args[index + 1] : throw new ArgumentException($"{args[index]} has no value. {Usage}");
            options = args[index] switch
            {
                "--model" => options with { Model = value },
                "--batch" => options with { Batch = Number(args[index], value, 1024) },
                "--threads" => options with { Threads = Number(args[index], value, 1024) },
                "--rounds" => options with { Rounds = Number(args[index], value, 1000) },
                _ => throw new ArgumentException($"There is no option {args[index]}. {Usage}"),
            };
        }

        return options;
    }

    private static int Number(string option, string value, int most) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= 1 && number <= most
            ? number : throw new ArgumentException($"{option} takes a whole number from 1 to {most}, not '{value}'.");
}
