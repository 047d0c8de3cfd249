using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Libraries;

public sealed class CudaLibraryLoaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_options_library_is_taken_and_its_version_read()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        var environment = new SearchEnvironment { Option = RealNvrtc.Folder, CudaHome = Broken("toolkit", "lib64") };
        CudaLibrary library = CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment);
        Assert.Equal(Path.Combine(RealNvrtc.Folder, "libnvrtc.so.12"), library.Path);
        Assert.Equal(12, library.Version.Major);
        Assert.NotEqual(0, library.Handle);
    }

    [Fact]
    public void A_broken_library_in_the_option_is_an_error_and_nothing_else_is_taken_instead()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        string broken = Broken("option");
        CudaLibraryException exception = Assert.Throws<CudaLibraryException>(() => CudaLibraryLoader.Load(
            CudaLibraryKind.Nvrtc, new SearchEnvironment
            {
                Option = broken,
                VirtualEnvironment = Linked(
                "venv/lib/python3.12/site-packages/nvidia/nvrtc/lib")
            }));
        Assert.Contains(Path.Combine(broken, "libnvrtc.so.12"), exception.Message, StringComparison.Ordinal);
        Assert.False(exception.IsMissing);
        Assert.DoesNotContain('\n', exception.Summary);
    }

    [Fact]
    public void Without_it_in_the_option_the_search_goes_on()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        string linked = Linked("toolkit/lib64");
        CudaLibrary library = CudaLibraryLoader.Load(
            CudaLibraryKind.Nvrtc, new SearchEnvironment
            {
                Option = _folder.Folder("empty"),
                CudaHome = Path.Combine(_folder.Root,
                "toolkit")
            });
        Assert.StartsWith(linked, library.Path, StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_toolkit_is_named_and_the_search_goes_on()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        Linked("venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib");
        Broken("toolkit", "lib64");
        var environment = new SearchEnvironment
        {
            CudaHome = Path.Combine(_folder.Root, "toolkit"),
            VirtualEnvironment = Path.Combine(_folder.Root, "venv"),
            AsksLinker = false,
        };
        Assert.Contains("venv", CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment).Path, StringComparison.Ordinal);

        CudaLibraryException exception = Assert.Throws<CudaLibraryException>(
            () => CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment with { VirtualEnvironment = null }));
        Assert.Contains("toolkit/lib64 (CUDA_HOME): ", exception.Message, StringComparison.Ordinal);
        Assert.False(exception.IsMissing);
    }

    [Fact]
    public void A_library_that_was_copied_without_its_links_is_found_under_its_full_version()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        string folder = _folder.Folder("copied");
        File.CreateSymbolicLink(Path.Combine(folder, "libnvrtc.so.12.4.127"), Path.Combine(RealNvrtc.Folder, "libnvrtc.so.12"));
        Assert.Equal(
            Path.Combine(folder, "libnvrtc.so.12.4.127"),
            CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, new SearchEnvironment { Option = folder }).Path);
    }

    [Fact]
    public void A_library_of_another_kind_is_refused()
    {
        RealNvrtc.RequireFolder(RealNvrtc.DriverFolder);
        string folder = _folder.Folder("wrong");
        File.CreateSymbolicLink(Path.Combine(folder, "libnvrtc.so.12"), Path.Combine(RealNvrtc.DriverFolder, "libcuda.so.1"));
        CudaLibraryException exception = Assert.Throws<CudaLibraryException>(
            () => CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, new SearchEnvironment { Option = folder }));
        Assert.Contains("has no function nvrtcVersion", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_drivers_version_is_read_without_starting_it()
    {
        RealNvrtc.RequireFolder(RealNvrtc.DriverFolder);
        CudaLibrary library = CudaLibraryLoader.Load(CudaLibraryKind.Driver, new SearchEnvironment { Option = RealNvrtc.DriverFolder });
        Assert.True(library.Version >= CudaDriver.MinimumVersion, $"its version is {library.Version}");
    }

    [Fact]
    public void With_a_driver_of_CUDA_12_an_NVRTC_12_is_preferred_wherever_it_is()
    {
        RealNvrtc.RequireFolder(RealNvrtc.Folder);
        // A file of the newer version's name in an earlier place: the real library, so that it loads.
        string newer = _folder.Folder("newer", "lib64");
        File.CreateSymbolicLink(Path.Combine(newer, "libnvrtc.so.13"), Path.Combine(RealNvrtc.Folder, "libnvrtc.so.12"));
        Linked("venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib");
        var environment = new SearchEnvironment
        {
            CudaHome = Path.Combine(_folder.Root, "newer"),
            VirtualEnvironment = Path.Combine(_folder.Root, "venv"),
            AsksLinker = false,
        };
        Assert.EndsWith("libnvrtc.so.12", CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment, driverMajor: 12).Path,
            StringComparison.Ordinal);
        Assert.EndsWith("libnvrtc.so.13", CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment, driverMajor: 13).Path,
            StringComparison.Ordinal);
        Assert.EndsWith(
            "libnvrtc.so.13",
            CudaLibraryLoader.Load(CudaLibraryKind.Nvrtc, environment with { VirtualEnvironment = null },
                driverMajor: 12).Path, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Driver", "sudo apt-get install nvidia-driver")]
    [InlineData("Nvrtc", "pip install nvidia-cuda-nvrtc-cu12")]
    [InlineData("CublasLt", "pip install nvidia-cublas-cu12")]
    public void Where_there_is_none_every_place_is_listed_and_a_command_helps(string kindName, string command)
    {
        var kind = Enum.Parse<CudaLibraryKind>(kindName);
        var environment = new SearchEnvironment
        {
            Option = _folder.Folder("one") + ":" + Path.Combine(_folder.Root, "not-there"),
            CudaHome = "/opt/no-such-toolkit",
            DriverFolders = ["/opt/no-such-driver"],
            AsksLinker = false,
        };
        CudaLibraryException exception = Assert.Throws<CudaLibraryException>(() => CudaLibraryLoader.Load(kind, environment));
        foreach (LibraryPlace place in LibraryPlaces.Of(kind, environment))
            Assert.Contains($"\n  {place.Folder} ({place.Source})", exception.Message, StringComparison.Ordinal);
        Assert.Contains(command, exception.Message, StringComparison.Ordinal);
        Assert.Contains("PIXIO_CUDA_LIBRARIES", exception.Message, StringComparison.Ordinal);
        Assert.Equal(kind, exception.Kind);
        Assert.True(exception.IsMissing);
    }

    private string Broken(params string[] parts)
    {
        string folder = _folder.Folder(parts);
        File.WriteAllText(Path.Combine(folder, "libnvrtc.so.12"), "no library");
        return folder;
    }

    private string Linked(string path)
    {
        string folder = _folder.Folder(path.Split('/'));
        foreach (string file in Directory.GetFiles(RealNvrtc.Folder))
            File.CreateSymbolicLink(Path.Combine(folder, Path.GetFileName(file)), file);
        return folder;
    }
}
