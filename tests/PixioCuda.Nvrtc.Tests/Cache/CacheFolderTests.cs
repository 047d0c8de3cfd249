using System.Runtime.Versioning;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Cache;

[UnsupportedOSPlatform("windows")]
public sealed class CacheFolderTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Everyone = (UnixFileMode)0x1FF;

    private readonly TemporaryFolder _folder = new();

    public CacheFolderTests()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Owners and modes are those of Linux.");
    }

    private string Root => Path.Combine(_folder.Root, "a", "b");

    private string Kernels => Path.Combine(Root, "kernels");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_made_for_its_owner_alone()
    {
        Assert.Equal(Kernels, KernelCache.Open(Root).Folder);
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Root));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Kernels));
        KernelCache.Open(Root).GetOrCompile(FakeCompiler.Source(), GpuArchitecture.Sm80, new FakeCompiler());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Assert.Single(Directory.GetFiles(Kernels))));
    }

    [Fact]
    public void The_owner_and_the_mode_are_those_that_the_system_tells()
    {
        Directory.CreateDirectory(Root, OwnerOnly | UnixFileMode.GroupRead);
        Assert.Equal(new FolderOwnership(FolderOwnership.CurrentUserId, OwnerOnly | UnixFileMode.GroupRead), FolderOwnership.Of(Root));
        Assert.Throws<IOException>(() => FolderOwnership.Of(Path.Combine(Root, "none")));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite, false)]
    [InlineData(UnixFileMode.OtherWrite, false)]
    [InlineData(UnixFileMode.GroupWrite, true)]
    [InlineData(UnixFileMode.OtherWrite, true)]
    public void It_is_refused_where_others_may_write_to_it_or_to_the_folder_above(UnixFileMode mode, bool above)
    {
        KernelCache.Open(Root).GetOrCompile(FakeCompiler.Source(), GpuArchitecture.Sm80, new FakeCompiler());
        File.SetUnixFileMode(above ? Root : Kernels, OwnerOnly | mode);
        KernelCache cache = KernelCache.Open(Root);
        Assert.Null(cache.Folder);
        Assert.Contains("is not trusted with code: others than its owner may write to it", Assert.Single(cache.Warnings),
            StringComparison.Ordinal);
        // What is in it is not read either.
        Assert.False(cache.GetOrCompile(FakeCompiler.Source(), GpuArchitecture.Sm80, new FakeCompiler()).FromCache);
        Assert.Null(cache.Find(FakeCompiler.Source(), GpuArchitecture.Sm80));
    }

    [Fact]
    public void That_others_may_read_it_is_no_reason_to_refuse_it()
    {
        Directory.CreateDirectory(Kernels);
        File.SetUnixFileMode(Kernels, Everyone & ~(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
        File.SetUnixFileMode(Root, Everyone & ~(UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
        Assert.Equal(Kernels, KernelCache.Open(Root).Folder);
    }

    [Fact]
    public void It_is_refused_where_it_belongs_to_another_user()
    {
        KernelCache.Open(Root);
        KernelCache cache = KernelCache.Open(
            Root, ownershipOf: folder => folder == Root ? new FolderOwnership(12345, OwnerOnly) : FolderOwnership.Of(folder));
        Assert.Null(cache.Folder);
        Assert.Contains("it belongs to another user (number 12345)", Assert.Single(cache.Warnings), StringComparison.Ordinal);
        Assert.False(cache.GetOrCompile(FakeCompiler.Source(), GpuArchitecture.Sm80, new FakeCompiler()).FromCache);
    }

    [Theory]
    [InlineData(1000u, 1000u, true)]
    [InlineData(0u, 1000u, true)]
    [InlineData(1001u, 1000u, false)]
    [InlineData(1001u, 0u, false)]
    public void Only_this_user_and_the_superuser_are_trusted(uint owner, uint user, bool trusted)
        => Assert.Equal(trusted, new FolderOwnership(owner, OwnerOnly).Objection(user) is null);

    [Fact]
    public void A_file_in_its_place_is_survived()
    {
        Directory.CreateDirectory(_folder.Root);
        File.WriteAllText(Path.Combine(_folder.Root, "file"), "");
        KernelCache cache = KernelCache.Open(Path.Combine(_folder.Root, "file"));
        Assert.Null(cache.Folder);
        Assert.Contains("cannot be used", Assert.Single(cache.Warnings), StringComparison.Ordinal);
        Assert.NotEmpty(cache.GetOrCompile(FakeCompiler.Source(), GpuArchitecture.Sm80, new FakeCompiler()).Cubin);
    }

    [Theory]
    [InlineData("/cache", "/xdg", "/home/x", "/cache")]
    [InlineData(null, "/xdg", "/home/x", "/xdg/pixiocuda")]
    [InlineData(null, "xdg", "/home/x", "/home/x/.cache/pixiocuda")]
    [InlineData("", null, "/home/x", "/home/x/.cache/pixiocuda")]
    [InlineData("cache", "/xdg", "/home/x", null)]
    [InlineData(null, null, null, null)]
    public void The_environment_names_the_folder(string? option, string? xdg, string? home, string? expected)
    {
        string? folder = CacheFolder.FromEnvironment(
            name => name switch { "PIXIO_CACHE_DIR" => option, "XDG_CACHE_HOME" => xdg, "HOME" => home, _ => null }, out string? problem);
        Assert.Equal(expected, folder);
        Assert.Equal(expected is null, problem is not null);
    }

    [Fact]
    public void A_relative_folder_costs_a_warning_and_no_cache()
    {
        KernelCache cache = KernelCache.Create(name => name == "PIXIO_CACHE_DIR" ? "cache" : null);
        Assert.Null(cache.Folder);
        Assert.Contains("PIXIO_CACHE_DIR is the relative path 'cache'", Assert.Single(cache.Warnings), StringComparison.Ordinal);
    }
}
