namespace PixioCuda.Cli.Pictures;

/// <summary>Reads streams whose length nobody vouches for.</summary>
internal static class BoundedStream
{
    private const int FirstBlock = 1 << 16;

    /// <summary>Reads to the end; memory grows with what arrives and not with what is claimed.</summary>
    /// <exception cref="InputException">There are more bytes than allowed.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(Stream stream, long most, string name, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[stream.CanSeek ? (int)Math.Clamp(stream.Length + 1, 1, most + 1) : FirstBlock];
        int length = 0;
        while (true)
        {
            int read = await stream.ReadAsync(bytes.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return bytes.AsMemory(0, length);
            length += read;
            if (length > most)
                throw new InputException($"The picture {name} has more than the {most} bytes allowed.");
            if (length == bytes.Length)
                Array.Resize(ref bytes, (int)Math.Min(2L * bytes.Length, most + 1));
        }
    }
}
