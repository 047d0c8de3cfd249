using System.Buffers.Binary;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;

namespace PixioCuda.Weights;

/// <summary>
/// The header of a safetensors file, checked in the order in which the format's own reader checks it: length of the file, length of the
/// header, UTF-8, JSON, names, types and shapes, then the layout. Memory grows with the bytes that are there, never with what they claim.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The longest header the format allows.</summary>
    public const int MaxBytes = 100_000_000;

    /// <summary>The bytes of the length that a file begins with.</summary>
    public const int LengthBytes = 8;

    private SafetensorsHeader(List<SafetensorsEntry> entries, Dictionary<string, string> metadata, long dataStart)
    {
        Entries = entries;
        Metadata = metadata;
        DataStart = dataStart;
    }

    /// <summary>The tensors in the order in which they lie in the file.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; }

    /// <summary>The file's free-form strings.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Where the tensors' bytes begin in the file.</summary>
    public long DataStart { get; }

    /// <summary>Reads and checks the header of an open file.</summary>
    /// <exception cref="ModelFormatException">A rule of the format is broken.</exception>
    public static SafetensorsHeader Read(SafeFileHandle file, string path)
    {
        long fileLength = RandomAccess.GetLength(file);
        if (fileLength < LengthBytes)
            throw Invalid(path, $"it has {fileLength} bytes, too few for the length of a header");

        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        PositionedRead.Fill(file, 0, lengthBytes, path);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        if (length > MaxBytes)
            throw Invalid(path, $"it claims a header of {length} bytes, more than the {MaxBytes} that the format allows");
        if ((long)length > fileLength - LengthBytes)
        {
            throw Invalid(path,
                $"it claims a header of {length} bytes, but ends {fileLength - LengthBytes} bytes after the header's length; "
                + "was it truncated or is it still being written?", endOfSentence: "");
        }

        byte[] json = new byte[length];
        PositionedRead.Fill(file, LengthBytes, json, path);
        return Parse(json, fileLength, path);
    }

    /// <summary>Checks a header that has been read.</summary>
    /// <param name="json">The header without its length.</param>
    /// <param name="fileLength">The bytes of the whole file.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="ModelFormatException">A rule of the format is broken.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long fileLength, string path)
    {
        if (!Utf8.IsValid(json))
            throw Invalid(path, "its header is not valid UTF-8");
        if (json is not [(byte)'{', ..])
            throw Invalid(path, "its header does not start with '{'");

        long dataStart = LengthBytes + json.Length;
        (List<SafetensorsEntry> entries, Dictionary<string, string> metadata) = SafetensorsHeaderJson.Parse(json, path);
        SafetensorsLayout.Validate(entries, fileLength - dataStart, path);
        return new SafetensorsHeader(entries, metadata, dataStart);
    }

    /// <summary>The error that every broken rule gives.</summary>
    internal static ModelFormatException Invalid(string path, string what, Exception? cause = null, string endOfSentence = ".")
    {
        string message = $"'{path}' is not a valid safetensors file: {what}{endOfSentence}";
        return cause is null ? new ModelFormatException(message) : new ModelFormatException(message, cause);
    }
}
