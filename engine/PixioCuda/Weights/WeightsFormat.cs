namespace PixioCuda.Weights;

/// <summary>Tells files of weights apart by their first bytes; names can be anything.</summary>
internal static class WeightsFormat
{
    /// <summary>The bytes that are looked at.</summary>
    public const int HeadBytes = 32;

    // A safetensors file begins with the length of its header, which may be any bytes, and then the header's opening brace.
    private const int BraceOffset = 8;

    /// <summary>Whether a file is a zip archive, as PyTorch checkpoints are.</summary>
    /// <param name="head">The first <see cref="HeadBytes"/>, or all that there are.</param>
    public static bool IsZip(ReadOnlySpan<byte> head) => head.StartsWith("PK\x3\x4"u8) && !IsSafetensors(head);

    /// <summary>Throws where a file is known to be something that cannot be read.</summary>
    /// <param name="head">The first <see cref="HeadBytes"/>, or all that there are.</param>
    /// <param name="path">The file, for the message.</param>
    /// <exception cref="ModelFormatException">It is; the message says what, and what to do.</exception>
    public static void RefuseForeign(ReadOnlySpan<byte> head, string path)
    {
        if (IsSafetensors(head))
            return;
        if (head is [0x80, >= 1 and <= 5, ..])
        {
            throw new ModelFormatException(
                $"'{path}' is a bare pickle, as torch.save wrote before PyTorch 1.6; only its zip format can be read. "
                + "If you trust the file, write it again in Python: torch.save(torch.load(path, weights_only=True), new_path).");
        }

        if (head.StartsWith("version https://git-lfs"u8))
        {
            throw new ModelFormatException(
                $"'{path}' is the pointer that Git LFS keeps in place of a file: fetch the file itself with 'git lfs pull'.");
        }

        if (head is [(byte)'<', ..])
        {
            throw new ModelFormatException(
                $"'{path}' is a web page and not weights: what was downloaded was probably a page that asks for a login.");
        }
    }

    private static bool IsSafetensors(ReadOnlySpan<byte> head) => head.Length > BraceOffset && head[BraceOffset] == '{';
}
