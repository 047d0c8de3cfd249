using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Cache;

public sealed class KernelCacheTests : IDisposable
{
    private static readonly KernelSource Source = FakeCompiler.Source();

    private readonly TemporaryFolder _folder = new();

    private string Kernels => Path.Combine(_folder.Root, "kernels");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_kernel_is_compiled_once_for_all_caches_of_a_folder()
    {
        var compiler = new FakeCompiler();
        CompiledKernel first = KernelCache.Open(_folder.Root).GetOrCompile(Source, GpuArchitecture.Sm80, compiler);
        KernelCache again = KernelCache.Open(_folder.Root);
        CompiledKernel second = again.GetOrCompile(Source, GpuArchitecture.Sm80, compiler);
        Assert.False(first.FromCache);
        Assert.True(second.FromCache);
        Assert.Equal(first.Cubin, second.Cubin);
        Assert.Equal(first.Log, second.Log);
        Assert.Equal(1, compiler.Calls);
        Assert.Empty(again.Warnings);
    }

    [Fact]
    public void Architectures_and_compilers_are_kept_apart()
    {
        KernelCache cache = KernelCache.Open(_folder.Root);
        var older = new FakeCompiler("12.4");
        var newer = new FakeCompiler("12.10");
        foreach (FakeCompiler compiler in (FakeCompiler[])[older, newer, older, newer])
        {
            foreach (GpuArchitecture architecture in (GpuArchitecture[])[GpuArchitecture.Sm80, GpuArchitecture.Sm90A])
            {
                CompiledKernel kernel = cache.GetOrCompile(Source, architecture, compiler);
                Assert.EndsWith($"|{architecture}|{compiler.Version}", System.Text.Encoding.UTF8.GetString(kernel.Cubin),
                    StringComparison.Ordinal);
            }
        }

        Assert.Equal(2, older.Calls);
        Assert.Equal(2, newer.Calls);
        Assert.Equal(4, Directory.GetFiles(Kernels).Length);
    }

    [Fact]
    public void Without_a_compiler_the_newest_ones_entry_is_found()
    {
        KernelCache cache = KernelCache.Open(_folder.Root);
        Assert.Null(cache.Find(Source, GpuArchitecture.Sm80));
        foreach (string version in (string[])["12.9", "12.10", "12.4"])
            cache.GetOrCompile(Source, GpuArchitecture.Sm80, new FakeCompiler(version));
        Assert.Equal(new Version(12, 10), cache.Find(Source, GpuArchitecture.Sm80)!.CompilerVersion);
        Assert.Null(cache.Find(Source, GpuArchitecture.Sm89));

        // A damaged one is passed over for the next.
        Damage("nvrtc12.10");
        Assert.Equal(new Version(12, 9), cache.Find(Source, GpuArchitecture.Sm80)!.CompilerVersion);
    }

    [Theory]
    [InlineData("flipped")]
    [InlineData("cut")]
    [InlineData("empty")]
    [InlineData("foreign")]
    public void A_damaged_entry_is_made_anew_and_said(string how)
    {
        var compiler = new FakeCompiler();
        KernelCache.Open(_folder.Root).GetOrCompile(Source, GpuArchitecture.Sm80, compiler);
        Damage("", how);
        KernelCache cache = KernelCache.Open(_folder.Root);
        CompiledKernel kernel = cache.GetOrCompile(Source, GpuArchitecture.Sm80, compiler);
        Assert.False(kernel.FromCache);
        Assert.Equal(2, compiler.Calls);
        Assert.Contains(cache.Warnings, warning => warning.Contains("is damaged", StringComparison.Ordinal));
        Assert.True(KernelCache.Open(_folder.Root).GetOrCompile(Source, GpuArchitecture.Sm80, compiler).FromCache);
        Assert.Equal(2, compiler.Calls);
    }

    [Fact]
    public void A_full_disk_costs_a_warning_and_leaves_nothing_behind()
    {
        if (!File.Exists("/dev/full"))
            Assert.Skip("This system has no /dev/full, to which every write fails for want of room.");
        // The system's own answer of a full disk.
        KernelCache cache = KernelCache.Open(
            _folder.Root, path =>
            {
                File.WriteAllText(path, "");
                return new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            });
        CompiledKernel kernel = cache.GetOrCompile(Source, GpuArchitecture.Sm80, new FakeCompiler());
        Assert.NotEmpty(kernel.Cubin);
        Assert.StartsWith("The compiled kernel k is not kept: ", Assert.Single(cache.Warnings), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Kernels));
    }

    [Fact]
    public void A_folder_that_may_only_be_read_serves_what_it_has()
    {
        var compiler = new FakeCompiler();
        KernelCache.Open(_folder.Root).GetOrCompile(Source, GpuArchitecture.Sm80, compiler);
        // The superuser may write everywhere, so the refusal is the seam's: what the system says of a read-only file system.
        KernelCache cache = KernelCache.Open(_folder.Root, _ => throw new IOException("Read-only file system"));
        Assert.True(cache.GetOrCompile(Source, GpuArchitecture.Sm80, compiler).FromCache);
        Assert.Empty(cache.Warnings);
        Assert.False(cache.GetOrCompile(FakeCompiler.Source("other"), GpuArchitecture.Sm80, compiler).FromCache);
        Assert.Contains("Read-only file system", Assert.Single(cache.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Many_threads_share_a_cache()
    {
        var compiler = new FakeCompiler();
        KernelCache cache = KernelCache.Open(_folder.Root);
        KernelSource[] sources = [.. Enumerable.Range(0, 200).Select(index => FakeCompiler.Source($"kernel {index % 20}"))];
        CompiledKernel[] kernels = cache.GetOrCompileAll(sources, GpuArchitecture.Sm80, compiler, degree: 8);
        for (int index = 0; index < sources.Length; index++)
            Assert.StartsWith(
                sources[index].Text + "|", System.Text.Encoding.UTF8.GetString(kernels[index].Cubin), StringComparison.Ordinal);
        Assert.Equal(20, Directory.GetFiles(Kernels).Length);
        Assert.Empty(cache.Warnings);
    }

    [Fact]
    public void What_a_process_left_that_ended_in_the_middle_is_removed_later()
    {
        _folder.Folder("kernels");
        string old = Path.Combine(Kernels, ".a.cubin.x.tmp"), fresh = Path.Combine(Kernels, ".b.cubin.x.tmp");
        File.WriteAllText(old, "");
        File.WriteAllText(fresh, "");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddHours(-2));
        KernelCache.Open(_folder.Root);
        Assert.Equal([fresh], Directory.GetFiles(Kernels));
    }

    private void Damage(string name, string how = "flipped")
    {
        string path = Assert.Single(Directory.GetFiles(Kernels), path => path.Contains(name, StringComparison.Ordinal));
        byte[] bytes = File.ReadAllBytes(path);
        switch (how)
        {
            case "cut":
                bytes = bytes[..^1];
                break;
            case "empty":
                bytes = [];
                break;
            case "foreign":
                bytes = CacheEntry.Write(
                    KernelKey.Of(FakeCompiler.Source("other"), GpuArchitecture.Sm80),
                    new FakeCompiler().Compile(Source, GpuArchitecture.Sm80));
                break;
            default:
                bytes[^1] ^= 1;
                break;
        }

        File.WriteAllBytes(path, bytes);
    }
}
