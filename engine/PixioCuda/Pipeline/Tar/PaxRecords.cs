using System.Buffers.Text;
using System.Text;

namespace PixioCuda.Pipeline.Tar;

/// <summary>The records of a pax header that matter here: "LENGTH KEY=VALUE\n", one after the other.</summary>
/// <param name="Path">What the next member is called, where the records say so.</param>
/// <param name="Length">How long it is, where they say so.</param>
/// <param name="IsSparse">Whether its content is kept with holes.</param>
internal readonly record struct PaxRecords(string? Path, long? Length, bool IsSparse)
{
    /// <summary>Reads records.</summary>
    /// <returns>What is wrong with them, in words, or null.</returns>
    public static string? TryRead(ReadOnlySpan<byte> text, out PaxRecords records)
    {
        records = default;
        string? path = null;
        long? length = null;
        bool isSparse = false;
        // Some writers fill the last block with zeros and count them.
        text = text.TrimEnd((byte)0);
        while (!text.IsEmpty)
        {
            if (!Utf8Parser.TryParse(text, out int recordBytes, out int digits) || recordBytes <= digits || recordBytes > text.Length
                || text[digits] != ' ' || text[recordBytes - 1] != '\n')
                return "a pax header holds a record that is none";
            ReadOnlySpan<byte> record = text[(digits + 1)..(recordBytes - 1)];
            int equals = record.IndexOf((byte)'=');
            if (equals < 0)
                return "a pax header holds a record without a value";
            ReadOnlySpan<byte> key = record[..equals], value = record[(equals + 1)..];
            if (key.SequenceEqual("path"u8))
            {
                path = Encoding.UTF8.GetString(value);
            }
            else if (key.SequenceEqual("size"u8))
            {
                if (!Utf8Parser.TryParse(value, out long number, out int used) || used != value.Length
                    || number is < 0 or > long.MaxValue - TarHeader.BlockBytes)
                    return "a pax header's size is not a number";
                length = number;
            }
            else if (key.StartsWith("GNU.sparse."u8))
            {
                isSparse = true;
            }

            text = text[recordBytes..];
        }

        records = new PaxRecords(path, length, isSparse);
        return null;
    }
}
