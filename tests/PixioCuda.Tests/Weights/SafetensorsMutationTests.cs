using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using PixioCuda.Weights;
using Xunit;
using static PixioCuda.Tests.Weights.SafetensorsBytes;

namespace PixioCuda.Tests.Weights;

/// <summary>Damaged files: each is refused, or loads as exactly what an independent reader finds in it.</summary>
public sealed partial class SafetensorsMutationTests : IDisposable
{
    private const int MutantCount = 10_000;

    // The files have about a kilobyte, and an error with its stack trace some ten; what headers claim is megabytes and more.
    private const long AllocationLimit = 64 * 1024;

    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(5);

    private static readonly string[] Numbers =
    [
        "0", "1", "2", "3", "4", "8", "16", "-1", "-0", "1.5", "1e3", "1e400", "00", "2147483647", "2147483648", "4294967296", "100000000",
        "9007199254740993", "4611686018427387904", "9223372036854775807", "9223372036854775808", "18446744073709551615",
        "340282366920938463463374607431768211456", "null", "\"4\"", "[]", "{}", "true",
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Ten_thousand_mutants_are_refused_or_load_right_in_bounded_time_and_memory()
    {
        var random = new Random(20_251_216);
        byte[][] originals = [.. Originals()];
        Assert.All(originals, original => Assert.NotNull(MinimalSafetensors.TryRead(original)));
        int loaded = 0;
        for (int i = 0; i < MutantCount; i++)
        {
            byte[] mutant = originals[random.Next(originals.Length)];
            for (int edits = random.Next(1, 4); edits > 0; edits--)
                mutant = Mutate(mutant, random);
            string path = _folder.Write("mutant.safetensors", mutant);

            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            SafetensorsFile? file = TryOpen(path);
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeLimit, $"Mutant {i} took {Stopwatch.GetElapsedTime(start)}.");
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < AllocationLimit, $"Mutant {i} took {allocated} bytes of memory: {Show(mutant)}");

            using (file)
            {
                Dictionary<string, StoredTensor>? expected = MinimalSafetensors.TryRead(mutant);
                Assert.True(expected is null == file is null,
                    $"Mutant {i} was {(file is null ? "refused" : "loaded")}, against the independent reader: {Show(mutant)}");
                if (file is null)
                    continue;
                loaded++;
                AssertSame(expected!, file);
            }
        }

        // Both outcomes must have been put to the test.
        Assert.InRange(loaded, MutantCount / 50, MutantCount / 2);
    }

    private static SafetensorsFile? TryOpen(string path)
    {
        try
        {
            return SafetensorsFile.Open(path);
        }
        catch (ModelFormatException exception)
        {
            Assert.Contains(path, exception.Message, StringComparison.Ordinal);
            return null;
        }
    }

    private static void AssertSame(Dictionary<string, StoredTensor> expected, SafetensorsFile file)
    {
        Assert.Equal(expected.Count, file.Tensors.Count + file.UnsupportedTensors.Count);
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            StoredTensor stored = expected[tensor.Name];
            byte[] bytes = new byte[stored.Bytes.Length];
            file.ReadBytes(tensor, 0, bytes);
            Assert.Equal(stored.Bytes, bytes);
            Assert.Equal(stored.Shape, tensor.Shape);
            Assert.Equal(stored.DType, tensor.DType.ToString());
        }
    }

    private static IEnumerable<byte[]> Originals()
    {
        yield return File($"{{{Tensor("a", "F32", "2,3", 0, 24)}}}", 24);
        yield return File(
            $$"""{"__metadata__":{"format":"pt"},{{Tensor("w", "F16", "3,1,2", 4, 16)}},{{Tensor("b", "BF16", "2", 0, 4)}}}   """, 16);
        yield return File(
            $"{{{Tensor("x.weight", "F4", "4,2", 0, 4)},{Tensor("empty", "F32", "0,7", 4, 4)},{Tensor("scalar", "F64", "", 4, 12)},"
            + $"{Tensor("y", "I64", "2", 12, 28)},{Tensor("z", "F32", "1,1,1,1,2", 28, 36)}}}", 36);
        IEnumerable<string> layers = Enumerable.Range(0, 12).Select(i => Tensor($"layer.{i}.bias", "F32", "4", 16 * i, 16 * i + 16));
        yield return File($"{{{string.Join(",", layers)}}}", 192);
    }

    private static byte[] Mutate(byte[] file, Random random)
    {
        int headerLength = file.Length < 8 ? 0 : (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(file), (ulong)(file.Length - 8));
        switch (random.Next(9))
        {
            case 0 when file.Length > 0:
                byte[] flipped = [.. file];
                flipped[random.Next(flipped.Length)] ^= (byte)(1 << random.Next(8));
                return flipped;
            case 1:
                return file[..random.Next(file.Length + 1)];
            case 2:
                return [.. file, .. new byte[random.Next(1, 40)]];
            case 3 when file.Length >= 8:
                byte[] relength = [.. file];
                ulong length = random.Next(4) switch
                {
                    0 => (ulong)random.NextInt64(),
                    1 => (ulong)random.Next(100_000_002),
                    2 => (ulong)(headerLength + random.Next(-3, 4)),
                    _ => 1UL << random.Next(64),
                };
                BinaryPrimitives.WriteUInt64LittleEndian(relength, length);
                return relength;
            default:
                return EditHeader(file, headerLength, random);
        }
    }

    /// <summary>Changes the header's text; its length is mended, so that the change itself is what the reader meets.</summary>
    private static byte[] EditHeader(byte[] file, int headerLength, Random random)
    {
        string header = Encoding.Latin1.GetString(file, Math.Min(8, file.Length), headerLength);
        byte[] data = file[Math.Min(file.Length, 8 + headerLength)..];
        MatchCollection numbers = NumberPattern().Matches(header);
        MatchCollection tokens = TokenPattern().Matches(header);
        MatchCollection entries = EntryPattern().Matches(header);
        switch (random.Next(7))
        {
            case 0 when numbers.Count > 0:
                header = Replace(header, Pick(numbers, random), Numbers[random.Next(Numbers.Length)]);
                break;
            case 1 when numbers.Count > 1:
                Match number = Pick(numbers, random);
                header = Replace(header, number, Pick(numbers, random).Value);
                break;
            case 2 when tokens.Count > 0:
                header = Replace(header, Pick(tokens, random), Pick(tokens, random).Value);
                break;
            case 3 when tokens.Count > 0:
                header = Replace(header, Pick(tokens, random), "");
                break;
            case 4 when entries.Count > 0:
                string copy = Pick(entries, random).Value;
                int comma = header.IndexOf('{', StringComparison.Ordinal) + 1;
                if (random.Next(2) == 0)
                    copy = copy.Replace("\":{", "2\":{", StringComparison.Ordinal);
                header = header.Insert(comma, copy + ",");
                break;
            case 5:
                header = header.Insert(random.Next(header.Length + 1), new string(" \n,{}[]\"\\0"[random.Next(10)], random.Next(1, 4)));
                break;
            default:
                header += new string(' ', random.Next(1, 9));
                break;
        }

        byte[] edited = new byte[8 + header.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(edited, header.Length);
        Encoding.Latin1.GetBytes(header, edited.AsSpan(8));
        data.CopyTo(edited, 8 + header.Length);
        return edited;
    }

    private static Match Pick(MatchCollection matches, Random random) => matches[random.Next(matches.Count)];

    private static string Replace(string text, Match match, string replacement)
        => text.Remove(match.Index, match.Length).Insert(match.Index, replacement);

    private static string Show(byte[] mutant) => Encoding.Latin1.GetString(mutant, 0, Math.Min(mutant.Length, 2000));

    [GeneratedRegex("[0-9]+")]
    private static partial Regex NumberPattern();

    [GeneratedRegex("\"[^\"]*\"|[0-9]+|[{}\\[\\],:]")]
    private static partial Regex TokenPattern();

    [GeneratedRegex("\"[^\"]*\":\\{[^{}]*\\}")]
    private static partial Regex EntryPattern();
}
