using System.Buffers.Binary;
using PixioCuda.Imaging;
using PixioCuda.Imaging.Encoded;
using PixioCuda.Tests.Imaging;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>Damaged pictures: each ends in a clean error or in a picture of the size that its header claims, the same every time.</summary>
[Trait("Category", "Fuzz")]
public sealed class ImageFuzzTests : IDisposable
{
    private const int MaxPixels = 1 << 18;

    private static readonly ImageDecodeOptions Options = new() { MaxPixels = MaxPixels };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("stb", 20_260_121)]
    [InlineData("skia", 20_260_122)]
    public void Mutants_of_pictures_end_in_a_clean_error_or_a_right_sized_picture(string decoderName, int seed)
    {
        IImageDecoder decoder = EncodedImageTests.Decoder(decoderName);
        byte[] noise = GoldenImage.Get("noise-256.png").Encoded;
        Fuzzer.Run(
            new FuzzTarget
            {
                Name = $"pictures for {decoderName}",
                Samples =
                [
                    .. GoldenImage.Names.Select(name => GoldenImage.Get(name).Encoded).Where(encoded => encoded.Length < 36_000),
                    SampleFiles.JpegWithRestarts(200, 210, 220, 230, 240, 250),
                ],
                Mutator = new Mutator([.. ByteEdits.All, MisplaceMarker]) { Mend = MendChecksums },
                Parse = (mutant, path) => decoder.Decode(mutant, path, Options),
                Check = (mutant, picture) =>
                {
                    if (picture is not RgbImage image)
                        return;
                    Assert.InRange((long)image.Width * image.Height, 1, MaxPixels);
                    if (ClaimedSize(mutant) is { } claimed)
                        Assert.Equal(claimed, (image.Width, image.Height));
                    // Memory that was never written differs from one time to the next, at the latest when noise went through it between.
                    decoder.Decode(noise, "noise-256.png");
                    RgbImage again = decoder.Decode(mutant, "again", Options);
                    Assert.True(again.Pixels.Span.SequenceEqual(image.Pixels.Span), "It decodes differently the second time.");
                },
                // The pixels once as the library gives them and once upright, the file, and what the tables of a decoder take.
                MaxAllocated = length => 8L * MaxPixels + 4L * length + (1 << 20),
                Seed = seed,
                LeastShares = (0.05, 0.25),
            },
            _folder, "mutant");
    }

    [Fact]
    public void Mutants_of_exif_metadata_give_an_orientation() => Fuzzer.Run(
        new FuzzTarget
        {
            Name = "EXIF",
            Samples =
            [
                .. Enumerable.Range(1, 8).SelectMany(orientation => new[] { false, true }.Select(bigEndian =>
                    (byte[])[.. "Exif\0\0"u8, .. SampleFiles.Exif(orientation, bigEndian)])),
                SampleFiles.Exif(6, bigEndian: true, type: 4),
            ],
            Mutator = new Mutator(
                [.. ByteEdits.All, ByteEdits.Words([.. "II*\0"u8], [.. "MM\0*"u8], [0x12, 1], [1, 0x12], [0, 3], [3, 0])]),
            Parse = (mutant, _) => ExifOrientation.FromExif(mutant),
            Check = (_, orientation) => Assert.InRange((int)orientation!, 1, 8),
            MaxAllocated = _ => 1000,
            Seed = 20_260_123,
            // Damaged metadata are no reason to refuse a picture.
            LeastShares = (1, 0),
        },
        _folder, "mutant");

    private static (int Width, int Height)? ClaimedSize(ReadOnlySpan<byte> encoded) => encoded[0] switch
    {
        (byte)'G' => (BinaryPrimitives.ReadUInt16LittleEndian(encoded[6..]), BinaryPrimitives.ReadUInt16LittleEndian(encoded[8..])),
        (byte)'B' when encoded[14] == 40 =>
            (BinaryPrimitives.ReadInt32LittleEndian(encoded[18..]), Math.Abs(BinaryPrimitives.ReadInt32LittleEndian(encoded[22..]))),
        0x89 => (BinaryPrimitives.ReadInt32BigEndian(encoded[16..]), BinaryPrimitives.ReadInt32BigEndian(encoded[20..])),
        _ => null,
    };

    /// <summary>JPEG markers in the wrong places.</summary>
    private static byte[] MisplaceMarker(byte[] file, Random random)
    {
        ReadOnlySpan<byte> markers = [0xC0, 0xC2, 0xC4, 0xD0, 0xD3, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xE1, 0x00, 0xFF];
        int at = random.Next(file.Length);
        file[at] = 0xFF;
        if (at + 1 < file.Length)
            file[at + 1] = markers[random.Next(markers.Length)];
        return file;
    }

    /// <summary>A checksum would refuse nearly every mutant of a PNG before anything else looks at it.</summary>
    private static byte[] MendChecksums(byte[] file, Random random)
    {
        if (file.Length > 0 && file[0] == 0x89)
            SampleFiles.MendPngChecksums(file);
        return file;
    }
}
