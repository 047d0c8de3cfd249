using System.Globalization;
using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Cli;
using Xunit;

namespace PixioCuda.Cuda.Tests.Cli;

/// <summary>The commands that look at a device, while calls of the driver and the compiler fail in turn: they say so and end with a code
/// that is documented; none breaks off, none leaves anything behind.</summary>
// Alone: it counts what the driver has handed out.
[Collection(nameof(EmulatorAlone))]
public sealed class CommandFaultTests
{
    /// <summary>Every so manieth call fails, so that the tests take seconds; PIXIO_FAULT_STRIDE=1 makes it each.</summary>
    private static readonly ulong Stride =
        ulong.Parse(Environment.GetEnvironmentVariable("PIXIO_FAULT_STRIDE") ?? "7", CultureInfo.InvariantCulture);

    [Fact]
    public void A_doctor_whose_calls_fail_finds_something_wrong()
    {
        Sweep(["doctor"], (run, isRelease, what) =>
        {
            Assert.True(run.ExitCode is 0 or 4, $"{what}: exit code {run.ExitCode}: {run.Error}");
            Assert.True(run.Error == "", $"{what}: {run.Error}");
            // What is let go is let go all the same, and nothing that was found depends on it.
            Assert.True(run.ExitCode == 4 || isRelease, $"{what}: nothing was said of it:\n{run.Out}");
            if (run.ExitCode == 4)
                Assert.Contains("WRONG", run.Out, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_profile_whose_calls_fail_is_one_line_and_exit_code_1()
    {
        string[] args = ["profile", "--model", TestData.Path("tiny"), "--runs", "1", "--quiet"];
        Sweep(args, (run, isRelease, what) =>
        {
            Assert.True(run.ExitCode is 0 or 1, $"{what}: exit code {run.ExitCode}: {run.Error}");
            if (run.ExitCode == 0)
            {
                Assert.True(isRelease, $"{what}: nothing was said of it.");
                return;
            }

            string line = Assert.Single(run.ErrorLines);
            Assert.StartsWith("pixio: ", line, StringComparison.Ordinal);
            Assert.True(!line.Contains("this is a fault of pixio", StringComparison.Ordinal), $"{what}: {line}");
            Assert.True(run.Out == "", $"{what}: {run.Out}");
        });
    }

    /// <summary>Runs a command again and again, each time with another of its calls on this thread failing.</summary>
    private static void Sweep(string[] args, Action<PixioRun, bool, string> check)
    {
        Emulator.RequireEmulation();
        // The first run fills the kernel cache; the second makes the calls of all that follow.
        Assert.Equal(0, PixioRun.Of(args).ExitCode);
        Emulator.LiveHandles before = Emulator.Live();
        Emulator.SetSeed(1);
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        Assert.Equal(0, PixioRun.Of(args).ExitCode);
        ulong calls = Emulator.CallCount;
        Assert.InRange(calls, 50u, 5000u);
        Assert.Equal(before, Emulator.Live());

        HashSet<string> failed = [];
        for (ulong n = 1; n <= calls; n += Stride)
        {
            (PixioRun run, string function) = RunWithFault(args, n);
            failed.Add(function);
            // A context is made current before what it owns is let go.
            bool isRelease = IsRelease(function)
                || (function == "cuCtxSetCurrent" && run.ExitCode == 0 && n < calls && IsRelease(RunWithFault(args, n + 1).Function));
            check(run, isRelease, $"call {n} of {calls}, {function}");
            Assert.True(before == Emulator.Live(), $"After the failure of call {n}, {function}, there are left {Emulator.Live()}.");
        }

        // Work that waits when its memory is freed is what a failure in between leads to.
        _ = Emulator.TakeViolations();
        // All sorts of calls, whatever the stride.
        Assert.InRange(failed.Count, 10, 60);
        Assert.Equal(0, PixioRun.Of(args).ExitCode);
    }

    private static (PixioRun Run, string Function) RunWithFault(string[] args, ulong n)
    {
        Emulator.SetSeed(1);
        // An error that nobody handles specially.
        Emulator.FailAt(n, (CUresult)999);
        PixioRun run = PixioRun.Of(args);
        string function = Emulator.FailedFunction;
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        Assert.NotEqual("", function);
        return (run, function);
    }

    private static bool IsRelease(string function)
        => function.Contains("Destroy", StringComparison.Ordinal) || function.Contains("Free", StringComparison.Ordinal)
            || function.Contains("Unload", StringComparison.Ordinal) || function.Contains("Release", StringComparison.Ordinal);
}
