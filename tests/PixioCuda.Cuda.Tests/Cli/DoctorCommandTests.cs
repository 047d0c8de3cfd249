using System.Text.Json;
using PixioCuda.Cli.Doctor;
using PixioCuda.Interop;
using PixioCuda.Tests.Cli;
using Xunit;

namespace PixioCuda.Cuda.Tests.Cli;

// Alone: it takes the memory of a device away, and counts on all devices being well.
[Collection(nameof(EmulatorAlone))]
public sealed class DoctorCommandTests
{
    [Fact]
    public void Where_all_is_well_every_device_is_described_compiled_for_and_run()
    {
        Emulator.Require();
        PixioRun run = PixioRun.Of("doctor", "--json");
        Assert.True(run.ExitCode == 0, run.Out + run.Error);
        Assert.Empty(run.Error);
        using var document = JsonDocument.Parse(run.Out);
        JsonElement report = document.RootElement;
        Assert.True(report.GetProperty("ok").GetBoolean());
        Dictionary<string, string> states = StatesOf(report);
        foreach (string subject in (string[])["driver", "devices", "nvrtc", "cublasLt", "kernel cache"])
            Assert.Equal("ok", states[subject]);

        IReadOnlyList<GpuDeviceInfo> devices = GpuDevice.List();
        Assert.Equal(
            devices.Select(device => device.Uuid),
            report.GetProperty("devices").EnumerateArray().Select(device => device.GetProperty("uuid").GetString()));
        foreach (GpuDeviceInfo device in devices)
        {
            foreach (string subject in (string[])["", " compile", " launch", " matmul"])
                Assert.Equal("ok", states[$"cuda:{device.Ordinal}{subject}"]);
        }

        JsonElement nvrtc = report.GetProperty("libraries").EnumerateArray()
            .Single(library => library.GetProperty("library").GetString() == "Nvrtc");
        Assert.Equal(CudaLibraries.Nvrtc.Path, nvrtc.GetProperty("path").GetString());
        Assert.StartsWith(
            $"--device auto takes {devices[0].Title}, because ", report.GetProperty("auto").GetString(), StringComparison.Ordinal);
        Assert.Equal(KernelCache.Default.Folder, report.GetProperty("kernel_cache").GetString());
    }

    [Fact]
    public void A_device_on_which_nothing_can_be_allocated_is_wrong_and_the_others_are_still_examined()
    {
        Emulator.RequireEmulation();
        ulong before = Emulator.SetMemoryLimit(0, 1000);
        PixioRun run;
        try
        {
            run = PixioRun.Of("doctor");
        }
        finally
        {
            Emulator.SetMemoryLimit(0, before);
        }

        Assert.Equal(4, run.ExitCode);
        Assert.Empty(run.Error);
        string wrong = Assert.Single(run.OutLines, line => line.StartsWith("cuda:0 launch", StringComparison.Ordinal));
        Assert.Contains("WRONG", wrong, StringComparison.Ordinal);
        Assert.Contains("CUDA_ERROR_OUT_OF_MEMORY", wrong, StringComparison.Ordinal);
        Assert.Matches("cuda:1 launch +ok ", run.Out);
        Assert.StartsWith("Models do not run on CUDA here as it is.", run.OutLines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void One_wrong_bit_of_a_result_is_found_and_named()
    {
        float[] results = [.. Enumerable.Range(0, 65).Select(index => (float)index)];
        Assert.Null(KernelTrials.Compare(results, index => index, "element"));
        results[64] = MathF.BitIncrement(64);
        results[0] = -0f;
        Assert.Equal("2 of 65 results are wrong; element 0 gave -0 instead of 0", KernelTrials.Compare(results, index => index, "element"));
        Assert.StartsWith("1 of 65", KernelTrials.Compare(results, index => index == 0 ? -0f : index, "element"), StringComparison.Ordinal);
        Assert.NotNull(KernelTrials.Compare([1], _ => float.NaN, "element"));
        Assert.Null(KernelTrials.Compare([float.NaN], _ => float.NaN, "element"));
    }

    private static Dictionary<string, string> StatesOf(JsonElement report) => report.GetProperty("checks").EnumerateArray().ToDictionary(
        check => check.GetProperty("check").GetString()!, check => check.GetProperty("state").GetString()!);
}
