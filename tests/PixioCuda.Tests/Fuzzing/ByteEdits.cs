using System.Buffers.Binary;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Edits of files whatever is in them.</summary>
internal static class ByteEdits
{
    private const int LongestRun = 64;

    // Where headers and directories are: damage there is seen by more code than damage in the middle.
    private const int EndBytes = 700;

    private static readonly ulong[] Extremes =
    [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF4, 0xFFFF_FFFF, 0x1_0000_0000,
        long.MaxValue, 1UL << 63, ulong.MaxValue,
    ];

    /// <summary>Edits without any knowledge of a format.</summary>
    public static IReadOnlyList<Edit> All { get; } =
        [Truncate, Append, FlipBit, Scatter, FillRun, FlipInEnds, WriteNumber, WriteNumber, DeleteRun, RepeatRun, CopyRun];

    /// <summary>Puts words of a format over, or between, what is there.</summary>
    public static Edit Words(params IReadOnlyList<byte[]> words) => (file, random) =>
    {
        byte[] word = words[random.Next(words.Count)];
        int at = random.Next(file.Length + 1);
        if (random.Next(2) == 0)
            return [.. file[..at], .. word, .. file[at..]];
        word.AsSpan(0, Math.Min(word.Length, file.Length - at)).CopyTo(file.AsSpan(at));
        return file;
    };

    private static byte[] Truncate(byte[] file, Random random) => file[..random.Next(file.Length)];

    private static byte[] Append(byte[] file, Random random)
    {
        byte[] more = new byte[random.Next(1, LongestRun)];
        if (random.Next(2) == 0)
            random.NextBytes(more);
        return [.. file, .. more];
    }

    private static byte[] FlipBit(byte[] file, Random random)
    {
        file[random.Next(file.Length)] ^= (byte)(1 << random.Next(8));
        return file;
    }

    private static byte[] Scatter(byte[] file, Random random)
    {
        for (int i = 0; i < 8; i++)
            file[random.Next(file.Length)] = (byte)random.Next(256);
        return file;
    }

    private static byte[] FillRun(byte[] file, Random random)
    {
        (int at, int length) = Run(file, random);
        file.AsSpan(at, length).Fill(random.Next(2) == 0 ? (byte)0 : (byte)0xFF);
        return file;
    }

    private static byte[] FlipInEnds(byte[] file, Random random)
    {
        file[InEnds(file, random)] = (byte)random.Next(256);
        return file;
    }

    private static byte[] WriteNumber(byte[] file, Random random)
    {
        int at = InEnds(file, random);
        ulong value = random.Next(4) == 0 ? (ulong)random.Next(file.Length + 1) : Extremes[random.Next(Extremes.Length)];
        Span<byte> field = stackalloc byte[sizeof(ulong)];
        int width = Math.Min(1 << random.Next(4), file.Length - at);
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteUInt64BigEndian(field, value);
            field = field[^width..];
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(field, value);
            field = field[..width];
        }

        field.CopyTo(file.AsSpan(at));
        return file;
    }

    private static byte[] DeleteRun(byte[] file, Random random)
    {
        (int at, int length) = Run(file, random);
        return [.. file[..at], .. file[(at + length)..]];
    }

    private static byte[] RepeatRun(byte[] file, Random random)
    {
        (int at, int length) = Run(file, random);
        return [.. file[..(at + length)], .. file[at..]];
    }

    private static byte[] CopyRun(byte[] file, Random random)
    {
        (int at, int length) = Run(file, random);
        int to = random.Next(file.Length - length + 1);
        file.AsSpan(at, length).CopyTo(file.AsSpan(to));
        return file;
    }

    private static (int At, int Length) Run(byte[] file, Random random)
    {
        int at = random.Next(file.Length);
        return (at, Math.Min(random.Next(1, LongestRun), file.Length - at));
    }

    private static int InEnds(byte[] file, Random random)
    {
        int at = random.Next(Math.Min(file.Length, EndBytes));
        return random.Next(3) == 0 ? file.Length - 1 - at : at;
    }
}
