using System.Diagnostics;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The program tests/PixioCuda.CudaProbe as a process with an environment of its own.</summary>
internal static class ProbeProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    // It lies beside this program: tests/NAME/bin/CONFIGURATION/FRAMEWORK.
    private static readonly string FileName = Path.Combine(
        AppContext.BaseDirectory.Replace("PixioCuda.Nvrtc.Tests", "PixioCuda.CudaProbe", StringComparison.Ordinal), "PixioCuda.CudaProbe");

    /// <summary>Starts it.</summary>
    /// <param name="arguments">Its command.</param>
    /// <param name="workingDirectory">Where; null for this process's.</param>
    /// <param name="variables">What its environment has instead of this process's; null takes a variable away.</param>
    public static Process Start(string[] arguments, string? workingDirectory, params (string Name, string? Value)[] variables)
    {
        var start = new ProcessStartInfo(FileName, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingDirectory ?? "",
        };
        foreach ((string name, string? value) in variables)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs it to its end.</summary>
    /// <returns>The lines that it wrote.</returns>
    public static Task<string[]> RunAsync(string[] arguments, params (string Name, string? Value)[] variables)
        => RunAsync(arguments, null, variables);

    public static async Task<string[]> RunAsync(string[] arguments, string? workingDirectory, params (string Name,
        string? Value)[] variables)
    {
        using Process process = Start(arguments, workingDirectory, variables);
        return await EndAsync(process);
    }

    /// <summary>Lets it go on, and waits for its end.</summary>
    public static async Task<string[]> EndAsync(Process process)
    {
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        Assert.Equal("", await error);
        Assert.Equal(0, process.ExitCode);
        return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
