using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Cli;
using Xunit;

namespace PixioCuda.Cuda.Tests.Cli;

/// <summary>What the commands say of the device that they take where there is one; where there is none, see the tests without
/// CUDA.</summary>
public sealed class DeviceChoiceTests
{
    public static TheoryData<string> Commands => ["embed", "features", "bench", "show"];

    /// <summary>A command line on the smallest reference model and a picture, its output in a folder.</summary>
    internal static string[] Line(string command, string folder, params string[] more)
    {
        string[] line = command switch
        {
            "embed" => [command, TestData.Path("images", "cat.png")],
            "features" => [command, TestData.Path("images", "cat.png"), "--output", Path.Combine(folder, "maps.safetensors")],
            "show" => [command, TestData.Path("images", "cat.png"), "--output", Path.Combine(folder, "features.png"), "--resize", "64x64"],
            _ => [command, "--iterations", "1"],
        };
        return [.. line, "--model", TestData.Path("tiny"), .. more];
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Auto_says_which_device_it_took_and_why(string command)
    {
        Emulator.Require();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("pixio-device-");
        try
        {
            PixioRun run = PixioRun.Of(Line(command, folder.FullName));
            Assert.True(run.ExitCode == 0, run.Error);
            IReadOnlyList<GpuDeviceInfo> devices = GpuDevice.List();
            string note = run.ErrorLines[0];
            Assert.Contains($" on {devices[0].Title}", note, StringComparison.Ordinal);
            Assert.Matches($@", because the CUDA driver \d+\.\d+ reports {devices.Count} devices?$", note);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void A_device_that_is_not_there_is_a_slip_and_those_that_are_there_are_named(string command)
    {
        Emulator.Require();
        PixioRun run = PixioRun.Of(Line(command, "/tmp", "--device", "cuda:99"));
        Assert.Equal(2, run.ExitCode);
        string line = Assert.Single(run.ErrorLines);
        Assert.StartsWith("pixio: There is no device 'cuda:99'. ", line, StringComparison.Ordinal);
        Assert.Contains(GpuDevice.List()[0].Uuid, line, StringComparison.Ordinal);
    }
}
