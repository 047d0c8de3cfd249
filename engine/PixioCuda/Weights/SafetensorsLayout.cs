namespace PixioCuda.Weights;

/// <summary>Whether the tensors of a safetensors header lie one after another, each of the size of its shape, and fill the file.</summary>
internal static class SafetensorsLayout
{
    /// <summary>Checks and sorts the entries by where they begin.</summary>
    /// <param name="entries">The header's tensors; sorted in place.</param>
    /// <param name="dataLength">The bytes of the file after its header.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="ModelFormatException">A rule is broken.</exception>
    public static void Validate(List<SafetensorsEntry> entries, long dataLength, string path)
    {
        entries.Sort(static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        SafetensorsEntry? previous = null;
        foreach (SafetensorsEntry entry in entries)
        {
            ValidateEntry(entry, previous, dataLength, path);
            previous = entry;
        }

        long described = previous?.End ?? 0;
        if (described != dataLength)
        {
            throw SafetensorsHeader.Invalid(path,
                $"its header describes {described} bytes of tensors, but {dataLength} bytes follow the header");
        }
    }

    private static void ValidateEntry(SafetensorsEntry entry, SafetensorsEntry? previous, long dataLength, string path)
    {
        long previousEnd = previous?.End ?? 0;
        if (entry.End < entry.Begin)
            throw InvalidTensor("ends before it begins");
        if (entry.Begin < previousEnd)
            throw InvalidTensor($"overlaps the tensor {MessageText.Quote(previous!.Name)}, which ends at {previousEnd}");
        if (entry.Begin > previousEnd)
            throw InvalidTensor($"leaves a hole: the bytes from {previousEnd} to {entry.Begin} belong to no tensor");

        if (TensorShape.CountElements(entry.Shape) is not { } elements)
            throw InvalidTensor($"has the shape {MessageText.Shape(entry.Shape)}, whose product overflows");
        Int128 bits = (Int128)elements * SafetensorsDType.BitsPerElement(entry.DTypeName);
        if (bits % 8 != 0)
            throw InvalidTensor($"has the shape {MessageText.Shape(entry.Shape)}, which is not a whole number of bytes");
        if (bits / 8 != entry.End - entry.Begin)
        {
            throw InvalidTensor($"has the shape {MessageText.Shape(entry.Shape)}, which takes {bits / 8} bytes, "
                + $"but its span is {entry.End - entry.Begin} bytes");
        }

        if (entry.End > dataLength)
        {
            throw InvalidTensor($"lies beyond the end of the file, which has {dataLength} bytes after its header; "
                + "was it truncated or is it still being written?", endOfSentence: "");
        }

        ModelFormatException InvalidTensor(string what, string endOfSentence = ".")
            => SafetensorsHeader.Invalid(path,
                $"its tensor {MessageText.Quote(entry.Name)} ({entry.DTypeName}, bytes {entry.Begin} to {entry.End}) {what}",
                endOfSentence: endOfSentence);
    }
}
