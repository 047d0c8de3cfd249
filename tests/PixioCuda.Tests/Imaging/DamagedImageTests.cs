using System.Buffers.Binary;
using System.Diagnostics;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Imaging;

/// <summary>Files that are wrong in one particular way.</summary>
public sealed class DamagedImageTests
{
    private static readonly RgbImage Black = new(40, 30, new byte[3 * 40 * 30]);

    public static TheoryData<string> Decoders => EncodedImageTests.Decoders;

    public static MatrixTheoryData<string, string> BadFiles => new(
        ["stb", "skia"], Directory.GetFiles(GoldenImage.Path("bad")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(BadFiles))]
    public void Every_bad_file_is_refused_by_name_quickly_and_without_allocating_what_it_claims(string decoder, string file)
    {
        byte[] encoded = File.ReadAllBytes(GoldenImage.Path(Path.Combine("bad", file)));
        long allocatedBefore = GC.GetAllocatedBytesForCurrentThread(), started = Stopwatch.GetTimestamp();
        ImageFormatException exception = Refuse(decoder, encoded, file);
        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(60));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocatedBefore, 0, 8 << 20);
        Assert.Contains(file, exception.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void There_are_seven_bad_files() => Assert.Equal(7, Directory.GetFiles(GoldenImage.Path("bad")).Length);

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Eleven_bytes_of_jpeg_that_lead_past_the_end_of_the_file(string decoder) =>
        Refuse(decoder, [0xFF, 0xD8, 0xFF, 0xE0, 0x7F, 0xFF, 0, 0, 0, 0, 0], "eleven.jpg");

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Every_cut_through_a_jpeg(string decoder)
    {
        byte[] whole = SampleFiles.JpegWithRestarts(200, 210, 220, 230);
        for (int length = 0; length < whole.Length - 2; length++)
            Refuse(decoder, whole[..length], $"cut-at-{length}.jpg");
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void Every_cut_through_a_png(string decoder)
    {
        byte[] whole = SampleFiles.Png(Black);
        int pixelsEnd = whole.Length - 12 - 4;
        for (int length = 0; length < pixelsEnd - 4; length++)
            Refuse(decoder, whole[..length], $"cut-at-{length}.png");
    }

    [Fact]
    public void A_png_chunk_of_negative_length_that_would_lead_back_to_itself()
    {
        byte[] chunk = SampleFiles.PngChunk("teXt", []);
        BinaryPrimitives.WriteInt32BigEndian(chunk, -12);
        Assert.Contains("past the end", Refuse("stb", SampleFiles.Png(Black, chunk), "loop.png").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_png_of_a_few_pixels_that_inflates_to_a_hundred_megabytes()
    {
        byte[] bomb = SampleFiles.Png(Black, surplusRows: 100_000_000 / 121);
        Assert.InRange(bomb.Length, 0, 200_000);
        Assert.Contains("inflate to more", Refuse("stb", bomb, "bomb.png").Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_png_whose_pixels_end_early(string decoder) => Refuse(decoder, SampleFiles.Png(Black, surplusRows: -1), "early.png");

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_png_whose_pixels_ask_for_a_dictionary_that_png_does_not_have(string decoder)
    {
        byte[] png = SampleFiles.Png(Black);
        png[png.AsSpan().IndexOf("IDAT"u8) + 5] = 0xBB;
        SampleFiles.MendPngChecksums(png);
        Refuse(decoder, png, "dictionary.png");
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_palette_with_a_wrong_checksum(string decoder)
    {
        byte[] png = GoldenImage.Get("cat-palette.png").Encoded;
        png[png.AsSpan().IndexOf("PLTE"u8) + 10] ^= 1;
        Refuse(decoder, png, "palette.png");
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_jpeg_of_a_thousand_scans(string decoder)
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210);
        int scan = encoded.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xDA]);
        byte[] scans = [.. Enumerable.Range(0, 1000).SelectMany(_ => encoded[scan..^2])];
        Assert.Contains("100 scans", Refuse(decoder, [.. encoded[..scan], .. scans, 0xFF, 0xD9], "scans.jpg").Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_jpeg_whose_restart_markers_are_missing()
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210, 220, 230);
        int lastRestart = encoded.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0xFF, 0xD2]);
        Assert.Contains("restart", Refuse("stb", [.. encoded[..lastRestart], 0xFF, 0xD9], "missing.jpg").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_jpeg_whose_restart_interval_is_empty()
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210, 220, 230);
        int lastRestart = encoded.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0xFF, 0xD2]);
        Assert.Contains("empty", Refuse("stb", [.. encoded[..(lastRestart + 2)], 0xFF, 0xD9], "empty.jpg").Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_jpeg_with_more_data_before_a_restart_marker_than_the_interval_holds()
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210, 220, 230);
        int restart = encoded.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xD1]);
        Refuse("stb", [.. encoded[..restart], .. new byte[8], .. encoded[restart..]], "surplus.jpg");
    }

    [Fact]
    public void A_jpeg_one_of_whose_components_has_no_scan()
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210);
        int frame = encoded.AsSpan().IndexOf((ReadOnlySpan<byte>)[0xFF, 0xC0]);
        byte[] threeComponents = SampleFiles.JpegSegment(0xC0, [8, 0, 8, 0, 16, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
        byte[] damaged = [.. encoded[..frame], .. threeComponents, .. encoded[(frame + 13)..]];
        Assert.Contains("no scan", Refuse("stb", damaged, "components.jpg").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_jpeg_with_a_damaged_huffman_table_between_its_scans()
    {
        byte[] encoded = SampleFiles.JpegWithRestarts(200, 210);
        byte[] damagedTable = SampleFiles.JpegSegment(0xC4, [0x77]);
        Refuse("stb", [.. encoded[..^2], .. damagedTable, 0xFF, 0xD9], "table.jpg");
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_gif_whose_first_frame_lies_outside_the_picture(string decoder)
    {
        byte[] gif = GoldenImage.Get("cat.gif").Encoded;
        gif[13 + 3 * 256 + 1] = 200;
        Assert.Contains("does not lie within", Refuse(decoder, gif, "outside.gif").Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Decoders))]
    public void A_bmp_that_claims_more_rows_than_it_has(string decoder)
    {
        byte[] bmp = GoldenImage.Get("cat.bmp").Encoded;
        BinaryPrimitives.WriteInt32LittleEndian(bmp.AsSpan(22), 100);
        Refuse(decoder, bmp, "rows.bmp");
    }

    private static ImageFormatException Refuse(string decoder, byte[] encoded, string name)
    {
        ImageFormatException exception = Assert.Throws<ImageFormatException>(() =>
            EncodedImageTests.Decoder(decoder).Decode(encoded, name));
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
        return exception;
    }
}
