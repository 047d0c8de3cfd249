using System.Formats.Tar;
using PixioCuda.Imaging;
using PixioCuda.Skia;
using SkiaSharp;

namespace PixioCuda.Bench.Pipeline;

/// <summary>Pictures that benchmarks make from the repository's photos.</summary>
internal static class BenchPictures
{
    private static readonly string[] Photos = ["rocket.jpg", "astronaut-420.jpg", "coffee-444.jpg", "cat.png", "big-2048.jpg"];

    /// <summary>The photos as JPEGs of 640 x 480, 4:2:0, quality 90.</summary>
    public static byte[][] Jpegs() => [.. Photos.Select(photo => Jpeg(Path.Combine(Repository.Root, "tests", "data", "images", photo)))];

    /// <summary>A bitmap of 16 x 12 pixels whose bytes depend on a number.</summary>
    public static byte[] Bitmap(int number)
    {
        const int Width = 16, Height = 12;
        byte[] file = new byte[54 + (3 * Width * Height)];
        "BM"u8.CopyTo(file);
        BitConverter.TryWriteBytes(file.AsSpan(2), file.Length);
        BitConverter.TryWriteBytes(file.AsSpan(10), 54);
        BitConverter.TryWriteBytes(file.AsSpan(14), 40);
        BitConverter.TryWriteBytes(file.AsSpan(18), Width);
        BitConverter.TryWriteBytes(file.AsSpan(22), Height);
        BitConverter.TryWriteBytes(file.AsSpan(26), (short)1);
        BitConverter.TryWriteBytes(file.AsSpan(28), (short)24);
        new Random(number).NextBytes(file.AsSpan(54));
        return file;
    }

    /// <summary>Writes pictures into a tar file, numbered from first on.</summary>
    public static void WriteTar(string path, int first, int count, string extension, Func<int, byte[]> picture)
    {
        using FileStream file = File.Create(path);
        using TarWriter writer = new(file, TarEntryFormat.Ustar);
        for (int number = first; number < first + count; number++)
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"{number:D7}{extension}")
            {
                DataStream = new MemoryStream(picture(number)),
            });
        }
    }

    private static unsafe byte[] Jpeg(string photo)
    {
        const int Width = 640, Height = 480;
        byte[] rgb = new byte[3 * Width * Height], rgba = new byte[4 * Width * Height];
        new ImageProcessor(ImageRecipe.Hf(Height, Width)).Resize(new SkiaImageDecoder().Decode(File.ReadAllBytes(photo), photo), rgb);
        for (int pixel = 0; pixel < Width * Height; pixel++)
        {
            rgb.AsSpan(3 * pixel, 3).CopyTo(rgba.AsSpan(4 * pixel));
            rgba[(4 * pixel) + 3] = 255;
        }

        fixed (byte* pixels = rgba)
        {
            using SKPixmap pixmap = new(new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque), (nint)pixels, 4 * Width);
            using SKData data = pixmap.Encode(SKEncodedImageFormat.Jpeg, quality: 90)
                ?? throw new InvalidOperationException($"{photo} cannot be encoded.");
            return data.ToArray();
        }
    }
}
