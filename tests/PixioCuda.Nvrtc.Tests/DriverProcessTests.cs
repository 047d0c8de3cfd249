using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>What a machine without a GPU, without a driver, or with a mistake in its settings is told.</summary>
public sealed class DriverProcessTests
{
    [Fact]
    public async Task A_driver_without_a_device_says_so()
    {
        RealNvrtc.RequireFolder(RealNvrtc.DriverFolder);
        string[] lines = await ProbeProcess.RunAsync(["driver"], ("PIXIO_CUDA_LIBRARIES", RealNvrtc.DriverFolder));
        Assert.Equal("0 devices: the CUDA driver reports no device", lines[0]);
        Assert.StartsWith("CudaException: The CUDA driver does not start: cuInit gave CUDA_ERROR_NO_DEVICE (100)", lines[1],
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_driver_the_places_and_the_remedy_are_named()
    {
        SkipWithDriver();
        string[] lines = await ProbeProcess.RunAsync(["driver"], ("PIXIO_CUDA_LIBRARIES", null), ("LD_LIBRARY_PATH", null));
        Assert.Equal("0 devices: no CUDA driver was found (libcuda.so.1 or libcuda.so on the library path)", lines[0]);
        Assert.Equal("CudaLibraryException: The CUDA driver was not found (libcuda.so.1 or libcuda.so). Looked in", lines[1]);
        Assert.Contains("  the dynamic linker's search path;", lines);
        Assert.StartsWith("To get it, run `sudo apt-get install nvidia-driver`", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_relative_folder_is_refused_even_if_the_driver_is_in_it()
    {
        RealNvrtc.RequireFolder(RealNvrtc.DriverFolder);
        string[] lines = await ProbeProcess.RunAsync(
            ["driver"], ("PIXIO_CUDA_LIBRARIES", Path.GetRelativePath(Environment.CurrentDirectory, RealNvrtc.DriverFolder)));
        Assert.StartsWith("0 devices: PIXIO_CUDA_LIBRARIES names the relative folder", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("CudaLibraryException: The CUDA driver was not looked for", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_working_directory_is_never_searched()
    {
        RealNvrtc.RequireFolder(RealNvrtc.DriverFolder);
        SkipWithDriver();
        string[] lines = await ProbeProcess.RunAsync(
            ["driver"], RealNvrtc.DriverFolder, ("PIXIO_CUDA_LIBRARIES", null), ("LD_LIBRARY_PATH", null));
        Assert.StartsWith("0 devices: no CUDA driver was found", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_library_is_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Root, "libcuda.so.1"), "no library");
        string[] lines = await ProbeProcess.RunAsync(["driver"], ("PIXIO_CUDA_LIBRARIES", folder.Root));
        Assert.StartsWith(
            $"0 devices: what PIXIO_CUDA_LIBRARIES names cannot be used ({folder.Root}/libcuda.so.1: ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("CudaLibraryException: The CUDA driver cannot be used", lines[1], StringComparison.Ordinal);
    }

    // Where the dynamic linker of one distribution or another looks.
    private static void SkipWithDriver()
    {
        string[] folders =
            ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/wsl/lib", "/usr/local/lib", "/run/opengl-driver/lib"];
        if (folders.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "libcuda.so.1"))) is string found)
            Assert.Skip($"This machine has a driver in {found}.");
    }
}
