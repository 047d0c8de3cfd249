namespace PixioCuda.Imaging.Encoded;

/// <summary>A pinned file as a stream for StbImageSharp, whose loops end only on what they read: past the end it reads zeros for ever, and
/// a chunk of negative length takes it back to where it was. Here reading past the end and going back (but to the start) both
/// throw.</summary>
internal sealed unsafe class EncodedStream(byte* file, int length) : Stream
{
    private int _position;

    /// <summary>How far anything was read.</summary>
    public int FurthestRead { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => Seek(value, SeekOrigin.Begin);
    }

    public override int ReadByte()
    {
        if (_position >= length)
            throw PastTheEnd();

        byte value = file[_position++];
        FurthestRead = Math.Max(FurthestRead, _position);
        return value;
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length > length - _position)
            throw PastTheEnd();

        new ReadOnlySpan<byte>(file + _position, buffer.Length).CopyTo(buffer);
        _position += buffer.Length;
        FurthestRead = Math.Max(FurthestRead, _position);
        return buffer.Length;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override long Seek(long offset, SeekOrigin origin)
    {
        long target = origin == SeekOrigin.Current ? _position + offset : origin == SeekOrigin.Begin ? offset : length + offset;
        if (target > length || (target < _position && target != 0))
            throw PastTheEnd();

        return _position = (int)target;
    }

    public override void Flush() { }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    private static EndOfStreamException PastTheEnd() => new("The decoder was led out of the file by what stands in it.");
}
