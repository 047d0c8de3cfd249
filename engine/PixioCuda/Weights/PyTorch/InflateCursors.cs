using System.IO.Compression;

namespace PixioCuda.Weights.PyTorch;

/// <summary>
/// Positioned reads of deflated bytes. Deflate can only be read forward, so that a few decoders are kept where they stopped: a read goes on
/// with the one that has the least to pass over, or begins anew. What loads weights reads every tensor nearly in order, each thread at its
/// own place, which costs each byte about once. Memory is bounded by the number of decoders (about 50 KB each).
/// </summary>
internal sealed class InflateCursors : IDisposable
{
    private const int SkipBytes = 1 << 14;

    // Two for each thread that reads: threads take turns at the head of one tensor, and the one behind must find its own decoder.
    private static readonly int Capacity = Math.Max(8, 2 * Environment.ProcessorCount);

    private readonly Lock _lock = new();

    // Least recently used first.
    private readonly List<Cursor> _idle = [];
    private bool _isDisposed;

    /// <summary>Fills a destination from a position of an entry's content.</summary>
    /// <param name="key">Tells entries apart.</param>
    /// <param name="open">Opens the entry's compressed bytes.</param>
    /// <param name="position">Where to begin, in bytes of the content.</param>
    /// <param name="destination">Filled as far as the content goes.</param>
    /// <returns>The bytes filled: fewer than were asked for only where the content ends.</returns>
    /// <exception cref="InvalidDataException">The compressed bytes are damaged.</exception>
    public int Read(ZipEntry key, Func<Stream> open, long position, Span<byte> destination)
    {
        Cursor cursor = Take(key, position) ?? new Cursor(key, new DeflateStream(open(), CompressionMode.Decompress));
        bool isUsable = false;
        try
        {
            int count = cursor.SkipTo(position) ? cursor.Fill(destination) : 0;
            isUsable = count == destination.Length;
            return count;
        }
        finally
        {
            if (isUsable)
                GiveBack(cursor);
            else
                cursor.Dispose();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            foreach (Cursor cursor in _idle)
                cursor.Dispose();
            _idle.Clear();
        }
    }

    private Cursor? Take(ZipEntry key, long position)
    {
        lock (_lock)
        {
            Cursor? nearest = null;
            foreach (Cursor cursor in _idle)
            {
                if (ReferenceEquals(cursor.Key, key) && cursor.Position <= position && cursor.Position >= (nearest?.Position ?? 0))
                    nearest = cursor;
            }

            if (nearest is not null)
                _idle.Remove(nearest);
            return nearest;
        }
    }

    private void GiveBack(Cursor cursor)
    {
        lock (_lock)
        {
            if (!_isDisposed)
                _idle.Add(cursor);
            if (!_isDisposed && _idle.Count <= Capacity)
                return;
            if (!_isDisposed)
            {
                cursor = _idle[0];
                _idle.RemoveAt(0);
            }
        }

        cursor.Dispose();
    }

    private sealed class Cursor(ZipEntry key, DeflateStream stream) : IDisposable
    {
        public ZipEntry Key => key;

        public long Position { get; private set; }

        public bool SkipTo(long position)
        {
            Span<byte> passed = stackalloc byte[SkipBytes];
            while (Position < position)
            {
                Span<byte> next = passed[..(int)Math.Min(passed.Length, position - Position)];
                if (Fill(next) < next.Length)
                    return false;
            }

            return true;
        }

        public int Fill(Span<byte> destination)
        {
            int count = stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
            Position += count;
            return count;
        }

        public void Dispose() => stream.Dispose();
    }
}
