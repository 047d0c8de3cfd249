using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Libraries;

public sealed class LibraryPlacesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_option_comes_first_then_the_toolkit_the_linker_and_Pythons_packages()
    {
        var environment = new SearchEnvironment
        {
            Option = $"{_folder.Folder("first")}:{_folder.Folder("second")}",
            CudaHome = _folder.Folder("home-toolkit"),
            CudaPath = _folder.Folder("path-toolkit"),
            ToolkitParents = [_folder.Folder("local")],
            VirtualEnvironment = Site("venv", "lib/python3.12/site-packages", "cuda_nvrtc"),
            CondaPrefix = Site("conda", "lib/python3.11/site-packages", "cuda_nvrtc"),
            Home = _folder.Folder("home"),
            PythonPrefixes = [Site("usr", "lib/python3/dist-packages", "cu13")],
        };
        Site("home/.local", "lib/python3.10/site-packages", "cuda_nvrtc");
        _folder.Folder("local", "cuda-12.4", "targets", "x86_64-linux", "lib");

        Assert.Equal(
            [
                "first", "second", "home-toolkit/lib64", "path-toolkit/lib64", "local/cuda-12.4/lib64",
                "local/cuda-12.4/targets/x86_64-linux/lib", "", "venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib", "conda/lib",
                "conda/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib",
                "home/.local/lib/python3.10/site-packages/nvidia/cuda_nvrtc/lib",
                "usr/lib/python3/dist-packages/nvidia/cu13/lib",
            ],
            Relative(LibraryPlaces.Of(CudaLibraryKind.Nvrtc, environment)));
    }

    [Fact]
    public void Toolkits_are_tried_from_the_machines_choice_and_the_newest_down()
    {
        string parent = _folder.Folder("local");
        foreach (string name in (string[])["cuda-9.2", "cuda-12.10", "cuda", "cuda-12.4", "cuda-13.0", "cuda-12"])
            _folder.Folder("local", name);
        IReadOnlyList<LibraryPlace> places = LibraryPlaces.Of(CudaLibraryKind.CublasLt,
            new SearchEnvironment { ToolkitParents = [parent] });
        Assert.Equal(
            ["cuda", "cuda-13.0", "cuda-12.10", "cuda-12.4", "cuda-12", "cuda-9.2"],
            Relative(places).Where(path => path.Length > 0).Select(path => path.Split('/')[1]));
    }

    [Fact]
    public void The_driver_is_not_looked_for_in_a_toolkit_which_has_only_its_stub()
    {
        var environment = new SearchEnvironment
        {
            Option = "/opt/cuda",
            CudaHome = "/usr/local/cuda",
            ToolkitParents = [_folder.Root],
            DriverFolders = ["/usr/lib/wsl/lib"],
        };
        _folder.Folder("cuda-12.4", "lib64", "stubs");
        Assert.Equal(["/opt/cuda", null, "/usr/lib/wsl/lib"], LibraryPlaces.Of(CudaLibraryKind.Driver, environment).Select(place
            => place.Folder));
    }

    [Theory]
    [InlineData("libraries")]
    [InlineData("./libraries")]
    [InlineData("/opt/cuda:libraries")]
    [InlineData(".")]
    public void A_relative_folder_in_the_option_is_refused(string option)
    {
        CudaLibraryException exception = Assert.Throws<CudaLibraryException>(
            () => LibraryPlaces.Of(CudaLibraryKind.Nvrtc, new SearchEnvironment { Option = option }));
        Assert.Contains("PIXIO_CUDA_LIBRARIES names the relative folder", exception.Message, StringComparison.Ordinal);
        Assert.Contains("full path", exception.Message, StringComparison.Ordinal);
        Assert.False(exception.IsMissing);
    }

    [Fact]
    public void Relative_folders_in_other_variables_are_passed_over_and_empty_entries_are_none()
    {
        var environment = new SearchEnvironment
        {
            Option = ":/opt/cuda::",
            CudaHome = "cuda",
            CudaPath = "",
            VirtualEnvironment = ".",
            CondaPrefix = "conda",
            Home = "home",
        };
        Assert.Equal(["/opt/cuda", null], LibraryPlaces.Of(CudaLibraryKind.Nvrtc, environment).Select(place => place.Folder));
    }

    [Fact]
    public void Where_no_folder_matches_the_pattern_is_told()
    {
        var environment = new SearchEnvironment
        {
            ToolkitParents = [_folder.Root],
            Home = _folder.Root,
            PythonPrefixes = ["/no-such-prefix"],
        };
        Assert.Equal(
            ["cuda*", ".local/lib/python3*/*-packages/nvidia/*/lib"],
            Relative(LibraryPlaces.Of(CudaLibraryKind.Nvrtc, environment).Where(place => place.IsPattern)).Take(2));
    }

    [Fact]
    public void On_Windows_libraries_lie_in_folders_of_programs()
    {
        var environment = new SearchEnvironment
        {
            IsWindows = true,
            CudaPath = _folder.Folder("toolkit"),
            VirtualEnvironment = _folder.Root,
            LinkerFolders = [_folder.Folder("system32")],
        };
        _folder.Folder("Lib", "site-packages", "nvidia", "cuda_nvrtc", "bin");
        Assert.Equal(
            [
                "toolkit/bin/x64", "toolkit/bin", "system32", "Lib/site-packages/nvidia/cuda_nvrtc/bin/x86_64",
                "Lib/site-packages/nvidia/cuda_nvrtc/bin",
            ],
            Relative(LibraryPlaces.Of(CudaLibraryKind.Nvrtc, environment)));
    }

    [Theory]
    [InlineData("Nvrtc", 12, false, "libnvrtc.so.12")]
    [InlineData("Nvrtc", 13, true, "nvrtc64_130_0.dll")]
    [InlineData("CublasLt", 13, false, "libcublasLt.so.13")]
    [InlineData("CublasLt", 12, true, "cublasLt64_12.dll")]
    [InlineData("Driver", 0, true, "nvcuda.dll")]
    public void File_names_are_those_that_NVIDIA_ships(string kind, int major, bool windows, string expected)
        => Assert.Equal(expected, CudaLibraryNames.FileNames(Enum.Parse<CudaLibraryKind>(kind), major, windows)[0]);

    [Fact]
    public void The_builtins_file_names_are_those_that_NVIDIA_ships()
    {
        Assert.Equal("libnvrtc-builtins.so.12.4", CudaLibraryNames.BuiltinsFileName(12, 4, windows: false));
        Assert.Equal("nvrtc-builtins64_124.dll", CudaLibraryNames.BuiltinsFileName(12, 4, windows: true));
    }

    private string Site(string prefix, string site, string package)
    {
        _folder.Folder(prefix, site, "nvidia", package, "lib");
        return Path.Combine(_folder.Root, prefix);
    }

    // "" for the dynamic linker's own search.
    private IEnumerable<string> Relative(IEnumerable<LibraryPlace> places)
        => places.Select(place => place.Folder is null ? "" : Path.GetRelativePath(_folder.Root, place.Folder).Replace('\\', '/'));
}
