using System.Diagnostics;
using System.Text.Json;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

/// <summary>What a machine that cannot run CUDA is told; on one that can, see the tests of the emulated driver.</summary>
public sealed class DoctorCommandTests
{
    [Fact]
    public async Task Without_a_driver_it_names_the_command_that_gets_one_and_where_it_looked()
    {
        string[] folders =
            ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/lib/wsl/lib", "/usr/local/lib", "/run/opengl-driver/lib"];
        if (OperatingSystem.IsWindows() || folders.Any(folder => File.Exists(Path.Combine(folder, "libcuda.so.1"))))
            Assert.Skip("This machine may have a CUDA driver.");
        (int exitCode, string output) = await RunAsync(null, "doctor");
        Assert.Equal(4, exitCode);
        Assert.Matches("(?m)^driver +WRONG +the CUDA driver was not found$", output);
        Assert.Contains("For driver: run `sudo apt-get install nvidia-driver`", output, StringComparison.Ordinal);
        Assert.Contains("the dynamic linker's search path", output, StringComparison.Ordinal);
        Assert.Contains("--device auto takes the CPU, because no CUDA driver was found", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_driver_is_named()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("The driver has another name on Windows.");
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("libcuda.so.1"), "no library");
        (int exitCode, string output) = await RunAsync(folder.Root, "doctor", "--json");
        Assert.Equal(4, exitCode);
        using var document = JsonDocument.Parse(output);
        Assert.False(document.RootElement.GetProperty("ok").GetBoolean());
        JsonElement driver = document.RootElement.GetProperty("checks")[0];
        Assert.Equal("driver", driver.GetProperty("check").GetString());
        Assert.Equal("WRONG", driver.GetProperty("state").GetString());
        Assert.Contains(folder.File("libcuda.so.1"), driver.GetProperty("finding").GetString(), StringComparison.Ordinal);
        Assert.Contains("PIXIO_CUDA_LIBRARIES", driver.GetProperty("remedy").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, document.RootElement.GetProperty("devices").GetArrayLength());
    }

    /// <summary>As a process: CUDA's libraries are looked for once in each.</summary>
    private static async Task<(int ExitCode, string Out)> RunAsync(string? libraries, params string[] args)
    {
        using TemporaryFolder cache = new();
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "pixio.exe" : "pixio"), args)
        {
            RedirectStandardOutput = true,
        };
        start.Environment["PIXIO_CUDA_LIBRARIES"] = libraries;
        start.Environment["LD_LIBRARY_PATH"] = null;
        start.Environment["PIXIO_CACHE_DIR"] = cache.Root;
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output);
    }
}
