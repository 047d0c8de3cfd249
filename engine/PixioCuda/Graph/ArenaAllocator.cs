namespace PixioCuda.Graph;

/// <summary>Best fit over the gaps of one address range that grows at its end; bookkeeping only, there is no memory behind it.</summary>
internal sealed class ArenaAllocator(int alignment)
{
    // Sorted by offset, never adjacent.
    private readonly List<Gap> _gaps = [];
    private long _end;

    /// <summary>The largest extent so far, in bytes.</summary>
    public long PeakByteCount { get; private set; }

    /// <summary>Takes a stretch and gives its offset.</summary>
    public long Take(long byteCount)
    {
        byteCount = RoundUp(byteCount);
        int best = -1;
        for (int index = 0; index < _gaps.Count; index++)
        {
            if (_gaps[index].ByteCount >= byteCount && (best < 0 || _gaps[index].ByteCount < _gaps[best].ByteCount))
                best = index;
        }

        if (best < 0)
            return Grow(byteCount);

        Gap gap = _gaps[best];
        if (gap.ByteCount == byteCount)
            _gaps.RemoveAt(best);
        else
            _gaps[best] = new Gap(gap.Offset + byteCount, gap.ByteCount - byteCount);
        return gap.Offset;
    }

    /// <summary>Gives a stretch back.</summary>
    public void Return(long offset, long byteCount)
    {
        byteCount = RoundUp(byteCount);
        int index = _gaps.FindIndex(gap => gap.Offset > offset);
        if (index < 0)
            index = _gaps.Count;
        _gaps.Insert(index, new Gap(offset, byteCount));
        Merge(index);
        Merge(index - 1);
    }

    private long Grow(long byteCount)
    {
        // A gap at the very end is the beginning of the new stretch.
        long offset = _end;
        if (_gaps.Count > 0 && _gaps[^1].End == _end)
        {
            offset = _gaps[^1].Offset;
            _gaps.RemoveAt(_gaps.Count - 1);
        }

        _end = checked(offset + byteCount);
        PeakByteCount = Math.Max(PeakByteCount, _end);
        return offset;
    }

    private void Merge(int index)
    {
        if (index < 0 || index + 1 >= _gaps.Count)
            return;
        (Gap gap, Gap next) = (_gaps[index], _gaps[index + 1]);
        if (gap.End != next.Offset)
            return;
        _gaps[index] = new Gap(gap.Offset, gap.ByteCount + next.ByteCount);
        _gaps.RemoveAt(index + 1);
    }

    private long RoundUp(long byteCount) => checked(byteCount + alignment - 1) / alignment * alignment;

    private sealed record Gap(long Offset, long ByteCount)
    {
        public long End => Offset + ByteCount;
    }
}
