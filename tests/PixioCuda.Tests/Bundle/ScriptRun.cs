using System.Diagnostics;
using Xunit;

namespace PixioCuda.Tests.Bundle;

/// <summary>A script of the repository, run to its end.</summary>
internal sealed record ScriptRun(int ExitCode, string Out, string Error)
{
    /// <summary>The repository.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(TestData.Path(), "..", ".."));

    /// <summary>Runs a program, if it is there; else skips the running test, or fails it on continuous integration.</summary>
    public static async Task<ScriptRun> Of(string program, string[] arguments, params (string Name, string? Value)[] variables)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string? value) in variables)
            start.Environment[name] = value;
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            return new ScriptRun(process.ExitCode, output, await error);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", exception.Message);
            Assert.Skip($"There is no {program} here.");
            throw;
        }
    }
}
