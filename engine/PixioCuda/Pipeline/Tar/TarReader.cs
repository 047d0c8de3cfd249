namespace PixioCuda.Pipeline.Tar;

/// <summary>A member of a tar file.</summary>
/// <param name="Name">Its whole name, without a leading "./".</param>
/// <param name="Length">The bytes of its content.</param>
/// <param name="IsFile">Whether it is a plain file.</param>
/// <param name="IsSparse">Whether its content is kept with holes, which are not filled here.</param>
internal sealed record TarMember(string Name, long Length, bool IsFile, bool IsSparse);

/// <summary>Reads a tar file from its beginning to its end (ustar, pax, GNU). What a header claims is held against what is there before
/// memory is taken for it, and a file that ends without its end mark is an error: it may be cut short.</summary>
/// <param name="stream">Read once; the bytes of members that nobody asks for are passed over by seeking where it can seek.</param>
/// <param name="name">What to call the file in messages.</param>
internal sealed class TarReader(Stream stream, string name)
{
    // Names of 64 KB are longer than any file system's.
    private const int MaxNameBytes = 1 << 16;
    private const int MaxPaxBytes = 1 << 20;

    private readonly byte[] _block = new byte[TarHeader.BlockBytes];
    private long _position;
    private long _contentLeft;
    private long _padding;

    /// <summary>The next member, or null behind the last one.</summary>
    /// <exception cref="PictureSourceException">The file is damaged or cut short.</exception>
    public TarMember? ReadNext()
    {
        Skip(_contentLeft + _padding);
        (_contentLeft, _padding) = (0, 0);
        string? longName = null;
        PaxRecords pax = default;
        while (true)
        {
            long start = _position;
            int read = ReadBlock();
            if (read == 0)
                throw Damaged($"it ends at byte {start} without the two empty blocks that mark the end, so that it may be cut short");
            if (read < TarHeader.BlockBytes)
                throw Damaged($"it ends within the header at byte {start}; it may be cut short");
            if (_block.AsSpan().IndexOfAnyExcept((byte)0) < 0)
                return null;
            if (TarHeader.TryRead(_block, out TarHeader header) is { } wrong)
                throw Damaged($"{wrong} (at byte {start})");

            switch (header.Type)
            {
                case (byte)'L':
                    longName = TarHeader.Text(ReadExtension(header, MaxNameBytes, "name"));
                    break;
                case (byte)'x':
                    if (PaxRecords.TryRead(ReadExtension(header, MaxPaxBytes, "pax header"), out pax) is { } wrongRecord)
                        throw Damaged($"{wrongRecord} (at byte {start})");
                    break;
                case (byte)'K' or (byte)'g':
                    // A link's long target, and what holds for every member, which names and lengths never do.
                    RequirePresent(header.Length, start);
                    Skip(TarHeader.Padded(header.Length));
                    break;
                default:
                    long length = header.HasContent ? pax.Length ?? header.Length : 0;
                    RequirePresent(length, start);
                    _contentLeft = length;
                    _padding = TarHeader.Padded(length) - length;
                    string member = pax.Path ?? longName ?? header.Name;
                    return new TarMember(
                        member.StartsWith("./", StringComparison.Ordinal) ? member[2..] : member,
                        length, header.IsFile, pax.IsSparse || header.Type == 'S');
            }
        }
    }

    /// <summary>Reads the content of the member that was read last, once.</summary>
    /// <param name="content">As long as the member.</param>
    /// <exception cref="PictureSourceException">The file ends before the member does.</exception>
    public void ReadContent(Span<byte> content)
    {
        if (content.Length != _contentLeft)
            throw new ArgumentException($"The member has {_contentLeft} bytes to read, not {content.Length}.", nameof(content));
        ReadExactly(content);
        _contentLeft = 0;
    }

    private byte[] ReadExtension(TarHeader header, int most, string what)
    {
        if (header.Length > most)
            throw Damaged($"a {what} claims {header.Length} bytes, more than the {most} allowed");
        RequirePresent(header.Length, _position);
        byte[] content = new byte[header.Length];
        ReadExactly(content);
        Skip(TarHeader.Padded(header.Length) - header.Length);
        return content;
    }

    /// <summary>What a header claims must be there before memory is taken for it.</summary>
    private void RequirePresent(long length, long at)
    {
        if (length > stream.Length - _position)
        {
            throw Damaged(
                $"the member at byte {at} claims {length} bytes, and only {Math.Max(stream.Length - _position, 0)} follow; it may be cut short");
        }
    }

    private int ReadBlock()
    {
        int read = stream.ReadAtLeast(_block, _block.Length, throwOnEndOfStream: false);
        _position += read;
        return read;
    }

    private void ReadExactly(Span<byte> bytes)
    {
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        _position += read;
        if (read < bytes.Length)
            throw Damaged($"it ends at byte {_position} within a member; it may be cut short");
    }

    private void Skip(long count)
    {
        if (count == 0)
            return;
        if (stream.CanSeek)
        {
            // A member's padding may be missing behind the last one.
            _position += count;
            stream.Position = _position;
            return;
        }

        byte[] scratch = new byte[Math.Min(count, 1 << 16)];
        while (count > 0)
        {
            int read = stream.Read(scratch.AsSpan(0, (int)Math.Min(count, scratch.Length)));
            if (read == 0)
                throw Damaged($"it ends at byte {_position} within a member; it may be cut short");
            _position += read;
            count -= read;
        }
    }

    private PictureSourceException Damaged(string what) => new($"The tar file {name} is damaged: {what}.");
}
