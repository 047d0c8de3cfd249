using System.Diagnostics;
using System.Runtime.CompilerServices;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What became of a mutant.</summary>
internal enum MutantFate
{
    Killed,
    Survived,
}

/// <summary>Runs the tests of a mutant's kernels against it, in a process of their own: this program again, with the mutant's name in its
/// environment.</summary>
internal static class MutantRun
{
    private const string Variable = "PIXIO_TEST_MUTANT";

    // A mutant that makes a kernel loop forever is killed by this; of processor time, as a busy machine is no mutant's fault. The tests
    // of all kernels together take less. And one that makes it wait forever.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5), LongestWait = TimeSpan.FromHours(1);
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);

    /// <summary>Whether this process is one of those, in which a mutant takes the place of a source.</summary>
    public static bool IsMutated { get; } = Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>What became of a mutant, and by which test or for what reason.</summary>
    public static (MutantFate Fate, string Reason) Run(Mutant mutant)
    {
        IReadOnlyList<string> classes = MutantSources.TestClassesOf(mutant.File);
        Assert.True(classes.Count > 0, $"No test class runs the kernels of {mutant.File}.");
        ProcessStartInfo start = new(Environment.ProcessPath!,
            ["-noColor", "-stopOnFail", "-parallel", "none", .. classes.SelectMany(name => new[] { "-class", name })])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[Variable] = mutant.Id;
        Stopwatch watch = Stopwatch.StartNew();
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        while (!process.WaitForExit(Look))
        {
            if (ProcessorTime(process) < Limit && watch.Elapsed < LongestWait)
                continue;
            process.Kill(entireProcessTree: true);
            return (MutantFate.Killed, "its tests came to no end");
        }

        string text = output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult();
        // What does not compile, or ran no test, has proved nothing.
        Assert.False(text.Contains("KernelCompilationException", StringComparison.Ordinal), $"{mutant.Id} does not compile:\n{text}");
        Assert.True(text.Contains("=== TEST EXECUTION SUMMARY ===", StringComparison.Ordinal) || process.ExitCode > 128,
            $"{mutant.Id} was not tested:\n{text}");
        if (process.ExitCode == 0)
            return (MutantFate.Survived, $"{classes.Count} classes of tests");
        string failed = text.Split('\n').FirstOrDefault(line => line.EndsWith("[FAIL]", StringComparison.Ordinal))?.Trim() ?? "";
        Assert.True(failed.Length > 0 || process.ExitCode > 128, $"{mutant.Id}: no test failed, and yet:\n{text}");
        return (MutantFate.Killed, failed.Length > 0 ? failed.Replace(" [FAIL]", "", StringComparison.Ordinal) : "the process broke off");
    }

    private static TimeSpan ProcessorTime(Process process)
    {
        try
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
        catch (InvalidOperationException)
        {
            // It has ended meanwhile.
            return TimeSpan.Zero;
        }
    }

    // Before any kernel is read.
    [ModuleInitializer]
    internal static void Mutate()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not string id)
            return;
        Mutant mutant = MutantSources.All().Single(mutant => mutant.Id == id);
        KernelText.Replace(mutant.File, mutant.Apply(KernelText.Read(mutant.File)));
    }
}
