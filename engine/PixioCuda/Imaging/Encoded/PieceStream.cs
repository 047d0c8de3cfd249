namespace PixioCuda.Imaging.Encoded;

/// <summary>Pieces of a pinned file, read one after the other as if they were one stream. Reads what lies within the pieces and nothing
/// else.</summary>
internal sealed unsafe class PieceStream(byte* file, List<(int Offset, int Length)> pieces) : Stream
{
    private int _piece;
    private int _positionInPiece;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        while (_piece < pieces.Count && _positionInPiece == pieces[_piece].Length)
        {
            _piece++;
            _positionInPiece = 0;
        }

        if (_piece == pieces.Count)
            return 0;

        (int offset, int length) = pieces[_piece];
        int count = Math.Min(buffer.Length, length - _positionInPiece);
        new ReadOnlySpan<byte>(file + offset + _positionInPiece, count).CopyTo(buffer);
        _positionInPiece += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
