using System.Buffers.Binary;
using System.Diagnostics;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>Thousands of damaged files: each ends in a clean error or in a picture of the size that its header claims, in bounded time and
/// memory.</summary>
public sealed class MutatedImageTests
{
    private const int MutantCount = 3000;
    private const int MaxPixels = 1 << 18;

    private static readonly TimeSpan TimePerMutant = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData("stb", 20260101)]
    [InlineData("skia", 20260102)]
    public void Three_thousand_mutants_end_in_a_clean_error_or_a_right_sized_picture(string decoder, int seed)
    {
        Run run = new(EncodedImageTests.Decoder(decoder), seed);

        // A decoder that hangs cannot be stopped, only left behind: the thread must not keep the test program alive.
        Thread worker = new(run.DecodeAll) { IsBackground = true, Name = $"mutants for {decoder}" };
        worker.Start();
        while (!worker.Join(TimeSpan.FromMilliseconds(100)))
            Assert.True(Stopwatch.GetElapsedTime(run.MutantStarted) < TimePerMutant, $"{run.Current} takes longer than {TimePerMutant}.");

        Assert.True(run.Failure is null, run.Failure);

        // Both endings occur, so that the mutants are neither all harmless nor all hopeless.
        Assert.Equal(MutantCount, run.Decoded + run.Refused);
        Assert.InRange(run.Refused, MutantCount / 4, MutantCount);
        Assert.InRange(run.Decoded, MutantCount / 20, MutantCount);
    }

    private sealed class Run(IImageDecoder decoder, int seed)
    {
        private readonly (string Name, byte[] Encoded)[] _sources = [.. GoldenImage.Names
            .Select(name => (name, GoldenImage.Get(name).Encoded))
            .Where(source => source.Encoded.Length < 36_000)
            .Append(("restarts.jpg", SampleFiles.JpegWithRestarts(200, 210, 220, 230, 240, 250)))];

        private readonly byte[] _noise = GoldenImage.Get("noise-256.png").Encoded;
        private long _mutantStarted = Stopwatch.GetTimestamp();

        public long MutantStarted => Interlocked.Read(ref _mutantStarted);

        public string Current { get; private set; } = "nothing yet";

        public string? Failure { get; private set; }

        public int Decoded { get; private set; }

        public int Refused { get; private set; }

        public void DecodeAll()
        {
            try
            {
                Random random = new(seed);
                for (int i = 0; i < MutantCount && Failure is null; i++)
                {
                    (string source, byte[] encoded) = _sources[i % _sources.Length];
                    string name = $"mutant {i} of seed {seed}, from {source}";
                    byte[] mutant = Mutate(encoded, random);
                    Current = name;
                    Interlocked.Exchange(ref _mutantStarted, Stopwatch.GetTimestamp());
                    Failure = Check(mutant, name);
                }
            }
            catch (Exception exception)
            {
                Failure = $"{Current}: {exception}";
            }
        }

        private string? Check(byte[] mutant, string name)
        {
            ImageDecodeOptions options = new() { MaxPixels = MaxPixels };
            long allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
            RgbImage? image = null;
            try
            {
                image = decoder.Decode(mutant, name, options);
                Decoded++;
            }
            catch (ImageFormatException exception) when (exception.Message.Contains(name, StringComparison.Ordinal))
            {
                Refused++;
            }

            // The pixels once as the library gives them and once upright, the file, and what the tables of a decoder take.
            long allocated = GC.GetAllocatedBytesForCurrentThread() - allocatedBefore;
            if (allocated > 8L * MaxPixels + 4L * mutant.Length + (1 << 20))
                return $"{name} allocated {allocated} bytes.";
            if (image is null)
                return null;
            if ((long)image.Width * image.Height > MaxPixels
                || (ClaimedSize(mutant) is { } claimed && claimed != (image.Width, image.Height)))
                return $"{name} decodes to {image.Width} x {image.Height} pixels, and its header claims {ClaimedSize(mutant)}.";

            // Memory that was never written differs from one time to the next, at the latest when noise went through it in between.
            decoder.Decode(_noise, "noise-256.png");
            RgbImage again = decoder.Decode(mutant, name, options);
            return again.Pixels.Span.SequenceEqual(image.Pixels.Span) ? null : $"{name} decodes differently the second time.";
        }

        private static (int Width, int Height)? ClaimedSize(ReadOnlySpan<byte> encoded) => encoded[0] switch
        {
            (byte)'G' => (BinaryPrimitives.ReadUInt16LittleEndian(encoded[6..]), BinaryPrimitives.ReadUInt16LittleEndian(encoded[8..])),
            (byte)'B' when encoded[14] == 40 =>
                (BinaryPrimitives.ReadInt32LittleEndian(encoded[18..]), Math.Abs(BinaryPrimitives.ReadInt32LittleEndian(encoded[22..]))),
            0x89 => (BinaryPrimitives.ReadInt32BigEndian(encoded[16..]), BinaryPrimitives.ReadInt32BigEndian(encoded[20..])),
            _ => null,
        };

        private static byte[] Mutate(byte[] original, Random random)
        {
            byte[] mutant = [.. original];
            for (int round = random.Next(1, 4); round > 0 && mutant.Length > 0; round--)
                mutant = MutateOnce(mutant, random);

            // Otherwise a checksum would refuse nearly every mutant of a PNG before anything else looks at it.
            if (mutant.Length > 0 && mutant[0] == 0x89 && random.Next(4) != 0)
                SampleFiles.MendPngChecksums(mutant);
            return mutant;
        }

        private static byte[] MutateOnce(byte[] file, Random random)
        {
            int at = random.Next(file.Length), run = Math.Min(random.Next(1, 64), file.Length - at);
            int inHeader = random.Next(Math.Min(file.Length, 700));
            switch (random.Next(9))
            {
                case 0:
                    return file[..at];
                case 1:
                    file[at] ^= (byte)(1 << random.Next(8));
                    return file;
                case 2:
                    for (int i = 0; i < 8; i++)
                        file[random.Next(file.Length)] = (byte)random.Next(256);
                    return file;
                case 3:
                    file.AsSpan(at, run).Fill(random.Next(2) == 0 ? (byte)0 : (byte)0xFF);
                    return file;
                case 4:
                    file[inHeader] = (byte)random.Next(256);
                    return file;
                case 5:
                    ReadOnlySpan<uint> extremes =
                        [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF4, 0xFFFFFFFF];
                    Span<byte> field = stackalloc byte[4];
                    uint value = extremes[random.Next(extremes.Length)];
                    if (random.Next(2) == 0)
                        BinaryPrimitives.WriteUInt32BigEndian(field, value);
                    else
                        BinaryPrimitives.WriteUInt32LittleEndian(field, value);
                    int width = Math.Min(random.Next(2) == 0 ? 2 : 4, file.Length - inHeader);
                    (random.Next(2) == 0 ? field[..width] : field[^width..]).CopyTo(file.AsSpan(inHeader));
                    return file;
                case 6:
                    return [.. file[..at], .. file[(at + run)..]];
                case 7:
                    return [.. file[..(at + run)], .. file[at..]];
                default:
                    // Markers and chunk types in the wrong places.
                    ReadOnlySpan<byte> markers = [0xC0, 0xC2, 0xC4, 0xD0, 0xD3, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xE1, 0x00, 0xFF];
                    file[at] = 0xFF;
                    if (at + 1 < file.Length)
                        file[at + 1] = markers[random.Next(markers.Length)];
                    return file;
            }
        }
    }
}
