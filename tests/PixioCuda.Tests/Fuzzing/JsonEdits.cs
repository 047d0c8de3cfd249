using System.Text;
using System.Text.RegularExpressions;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Edits of JSON that mostly leave it JSON: other numbers, other words, members twice or missing.</summary>
internal static partial class JsonEdits
{
    private static readonly string[] Values =
    [
        "0", "1", "2", "3", "4", "8", "16", "-1", "-0", "1.5", "1e3", "1e400", "00", "2147483647", "2147483648", "4294967296", "100000000",
        "9007199254740993", "4611686018427387904", "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "340282366920938463463374607431768211456", "null", "\"4\"", "[]", "{}", "true", "\"\\ud800\"", "\"\"",
    ];

    /// <summary>Edits of a file that is one JSON document.</summary>
    public static IReadOnlyList<Edit> All { get; } =
        [ReplaceNumber, ReplaceNumber, CopyNumber, CopyToken, CopyToken, DeleteToken, RepeatMember, DeleteMember, InsertPunctuation, Nest];

    private static byte[] ReplaceNumber(byte[] file, Random random) =>
        Replace(file, NumberPattern(), random, _ => Values[random.Next(Values.Length)]);

    private static byte[] CopyNumber(byte[] file, Random random) =>
        Replace(file, NumberPattern(), random, matches => Pick(matches, random));

    private static byte[] CopyToken(byte[] file, Random random) => Replace(file, TokenPattern(), random, matches => Pick(matches, random));

    private static byte[] DeleteToken(byte[] file, Random random) => Replace(file, TokenPattern(), random, _ => "");

    private static byte[] DeleteMember(byte[] file, Random random) => Replace(file, MemberPattern(), random, _ => "\"gone\":0");

    private static byte[] RepeatMember(byte[] file, Random random) => Replace(file, MemberPattern(), random, matches =>
    {
        string copy = Pick(matches, random);
        string renamed = random.Next(2) == 0 ? copy : copy.Replace("\":", "2\":", StringComparison.Ordinal);
        return $"{copy},{renamed}";
    });

    private static byte[] InsertPunctuation(byte[] file, Random random)
    {
        int at = random.Next(file.Length + 1);
        string text = new(" \n,{}[]\"\\0"[random.Next(10)], random.Next(1, 4));
        return [.. file[..at], .. Encoding.Latin1.GetBytes(text), .. file[at..]];
    }

    /// <summary>A value within a great many arrays or objects.</summary>
    private static byte[] Nest(byte[] file, Random random)
    {
        int depth = random.Next(1, 3000);
        bool isClosed = random.Next(2) == 0;
        return Replace(file, NumberPattern(), random,
            _ => new string('[', depth) + (isClosed ? new string(']', depth) : ""));
    }

    private static byte[] Replace(byte[] file, Regex pattern, Random random, Func<MatchCollection, string> replacement)
    {
        // One character to a byte, whatever the bytes are.
        string text = Encoding.Latin1.GetString(file);
        MatchCollection matches = pattern.Matches(text);
        if (matches.Count == 0)
            return file;
        Match match = matches[random.Next(matches.Count)];
        return Encoding.Latin1.GetBytes(text.Remove(match.Index, match.Length).Insert(match.Index, replacement(matches)));
    }

    private static string Pick(MatchCollection matches, Random random) => matches[random.Next(matches.Count)].Value;

    [GeneratedRegex("-?[0-9]+(\\.[0-9]+)?")]
    private static partial Regex NumberPattern();

    [GeneratedRegex("\"[^\"]*\"|[0-9.]+|[{}\\[\\],:]|true|false|null")]
    private static partial Regex TokenPattern();

    [GeneratedRegex("\"[^\"]*\"\\s*:\\s*(\\{[^{}]*\\}|\\[[^\\[\\]]*\\]|\"[^\"]*\"|[a-z0-9.-]+)")]
    private static partial Regex MemberPattern();
}
