using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Weights;

public sealed class AtomicFileTests : IDisposable
{
    // More than what begins a write-back while the file is still written.
    private const int Blocks = 130, BlockBytes = 1 << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_that_goes_to_the_disk_while_it_is_written_arrives_whole()
    {
        string path = _folder.File("large");
        using (AtomicFile file = AtomicFile.Create(path, (long)Blocks * BlockBytes))
        {
            AppendBlocks(file);
            file.Commit();
        }

        Assert.Equal([path], Directory.GetFiles(_folder.Root));
        byte[] block = new byte[BlockBytes];
        using FileStream read = File.OpenRead(path);
        Assert.Equal((long)Blocks * BlockBytes, read.Length);
        for (int index = 0; index < Blocks; index++)
        {
            read.ReadExactly(block);
            Assert.False(block.AsSpan().ContainsAnyExcept((byte)(index + 1)), $"block {index}");
        }
    }

    [Fact]
    public void A_file_that_is_given_up_on_its_way_to_the_disk_leaves_the_old_one_alone()
    {
        string path = _folder.Write("large", [1, 2, 3]);
        using (AtomicFile file = AtomicFile.Create(path))
            AppendBlocks(file);

        Assert.Equal([path], Directory.GetFiles(_folder.Root));
        Assert.Equal<byte>([1, 2, 3], File.ReadAllBytes(path));
    }

    private static void AppendBlocks(AtomicFile file)
    {
        byte[] block = new byte[BlockBytes];
        for (int index = 0; index < Blocks; index++)
        {
            block.AsSpan().Fill((byte)(index + 1));
            file.Append(block);
        }
    }
}
