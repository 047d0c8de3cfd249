using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Cache;

public sealed class CacheEntryTests
{
    private static readonly KernelKey Key = KernelKey.Of(FakeCompiler.Source(), GpuArchitecture.Sm90A);
    private static readonly CompiledKernel Kernel = new([1, 2, 3, 4, 5], "a log, ä", GpuArchitecture.Sm90A, new Version(12, 4));

    [Fact]
    public void What_is_written_is_read()
    {
        Assert.Null(CacheEntry.Read(CacheEntry.Write(Key, Kernel), Key, out CompiledKernel? read));
        Assert.Equal(Kernel.Cubin, read!.Cubin);
        Assert.Equal(Kernel.Log, read.Log);
        Assert.Equal(Kernel.Architecture, read.Architecture);
        Assert.Equal(Kernel.CompilerVersion, read.CompilerVersion);
        Assert.True(read.FromCache);
    }

    [Fact]
    public void Any_changed_bit_is_noticed()
    {
        byte[] file = CacheEntry.Write(Key, Kernel);
        for (int bit = 0; bit < 8 * file.Length; bit++)
        {
            byte[] damaged = [.. file];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotNull(CacheEntry.Read(damaged, Key, out CompiledKernel? read));
            Assert.Null(read);
        }
    }

    [Fact]
    public void Any_other_length_is_noticed()
    {
        byte[] file = CacheEntry.Write(Key, Kernel);
        for (int length = 0; length < file.Length; length++)
            Assert.NotNull(CacheEntry.Read(file.AsSpan(0, length), Key, out _));
        Assert.NotNull(CacheEntry.Read([.. file, 0], Key, out _));
    }

    [Fact]
    public void Another_kernels_entry_under_this_name_is_noticed()
    {
        byte[] file = CacheEntry.Write(KernelKey.Of(FakeCompiler.Source("other"), GpuArchitecture.Sm90A), Kernel);
        Assert.Equal("it is another kernel's", CacheEntry.Read(file, Key, out _));
    }
}
