using System.Diagnostics;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

/// <summary>What the commands say of the device on a machine without CUDA; where there is a device, see the tests of the emulated
/// driver.</summary>
public sealed class DeviceChoiceTests
{
    public static TheoryData<string> Commands => ["embed", "features", "bench", "show"];

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Auto_takes_the_CPU_and_says_why(string command)
    {
        (int exitCode, string error) = await RunAsync(command, "auto");
        Assert.True(exitCode == 0, error);
        string note = error.Split('\n')[0];
        Assert.Matches(@" on cpu \(.*\), because what PIXIO_CUDA_LIBRARIES names cannot be used \(.*libcuda\.so\.1", note);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Cuda_without_a_driver_is_one_line_that_names_what_is_missing(string command)
    {
        (int exitCode, string error) = await RunAsync(command, "cuda");
        Assert.Equal(1, exitCode);
        string line = Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("pixio: ", line, StringComparison.Ordinal);
        Assert.Contains("libcuda.so.1", line, StringComparison.Ordinal);
    }

    /// <summary>As a process, since CUDA's libraries are looked for once in each, and beside a driver that is none, so that the machine's own
    /// is not looked for.</summary>
    private static async Task<(int ExitCode, string Error)> RunAsync(string command, string device)
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("The driver has another name on Windows.");
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("libcuda.so.1"), "no library");
        string picture = TestData.Path("images", "cat.png");
        string[] line = command switch
        {
            "embed" => [command, picture],
            "features" => [command, picture, "--output", folder.File("maps.safetensors")],
            "show" => [command, picture, "--output", folder.File("features.png"), "--resize", "64x64"],
            _ => [command, "--iterations", "1"],
        };
        ProcessStartInfo start = new(
            Path.Combine(AppContext.BaseDirectory, "pixio"), [.. line, "--model", TestData.Path("tiny"), "--device", device])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PIXIO_CUDA_LIBRARIES"] = folder.Root;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await output;
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, error);
    }
}
