using System.Diagnostics;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

/// <summary>The built command as a process that can be killed.</summary>
internal static class PixioProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    public static string Path { get; } =
        System.IO.Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "pixio.exe" : "pixio");

    private static CancellationToken TestEnd => TestContext.Current.CancellationToken;

    public static Process Start(IReadOnlyDictionary<string, string> environment, params IEnumerable<string> args) =>
        Start(Path, environment, args);

    public static Process Start(string program, IReadOnlyDictionary<string, string> environment, params IEnumerable<string> args)
    {
        ProcessStartInfo start = new(program, args) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Waits for the end.</summary>
    public static async Task<(int? ExitCode, string Error)> EndAsync(Process process)
    {
        // Both pipes are read, or a process that fills one would wait for ever.
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestEnd), error = process.StandardError.ReadToEndAsync(TestEnd);
        await process.WaitForExitAsync(TestEnd).WaitAsync(Patience, TestEnd);
        await output;
        return (process.ExitCode, await error);
    }

    /// <summary>Kills a process (SIGKILL: nothing in it is asked) some time after it has printed some lines.</summary>
    /// <returns>The exit code where it ended before, else null.</returns>
    public static async Task<int?> KillAsync(Process process, Predicate<string> counts, int lines, TimeSpan later)
    {
        Task<string> error = process.StandardError.ReadToEndAsync(TestEnd);
        while (lines > 0 && await process.StandardOutput.ReadLineAsync(TestEnd).AsTask().WaitAsync(Patience, TestEnd) is { } line)
            lines -= counts(line) ? 1 : 0;
        await Task.Delay(later, TestEnd);
        process.Kill();
        await process.WaitForExitAsync(TestEnd);
        await error;
        return process.ExitCode == 128 + 9 ? null : process.ExitCode;
    }
}
