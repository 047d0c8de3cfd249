using System.Formats.Tar;
using PixioCuda.Tests.Pipeline;
using PixioCuda.Tests.Weights;

namespace PixioCuda.Tests.Cli.Jobs;

/// <summary>Folders and tar files of small pictures, and what the library makes of each picture.</summary>
internal sealed class JobData(TemporaryFolder folder)
{
    private readonly Dictionary<byte, float[]> _embeddings = [];

    /// <summary>A picture whose bytes depend on a number.</summary>
    public static byte[] Picture(int number)
    {
        byte[] file = MinimalBitmap.Create(8, 6);
        for (int i = MinimalBitmap.HeaderByteCount; i < file.Length; i++)
            file[i] = (byte)(i * (number % 251));
        return file;
    }

    /// <summary>Writes count pictures into a folder, numbered from first on.</summary>
    public string Folder(string name, int first, int count)
    {
        Directory.CreateDirectory(folder.File(name));
        for (int number = first; number < first + count; number++)
            File.WriteAllBytes(folder.File($"{name}/{number:D5}.bmp"), Picture(number));
        return folder.File(name);
    }

    /// <summary>Writes count pictures into a tar file, numbered from first on, each with a label beside it.</summary>
    public string Tar(string name, int first, int count)
    {
        (string, byte[])[] members = [.. Enumerable.Range(first, count).SelectMany(number => new (string, byte[])[]
        {
            ($"{number:D5}.bmp", Picture(number)), ($"{number:D5}.cls", [(byte)number]),
        })];
        return folder.Write(name, TarBytes.Of(TarEntryFormat.Pax, members));
    }

    /// <summary>What the library alone makes of a picture.</summary>
    public float[] Embedding(PixioModel model, int number)
    {
        byte key = (byte)(number % 251);
        if (!_embeddings.TryGetValue(key, out float[]? embedding))
            _embeddings[key] = embedding = model.Embed(model.Decode(Picture(number), $"{number}"));
        return embedding;
    }

    /// <summary>Every file of a folder with its bytes, hidden ones too.</summary>
    public static Dictionary<string, byte[]> Contents(string path) =>
        Directory.GetFiles(path).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes);
}
