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

    // A mutant that makes a kernel loop forever is killed by this.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Whether this process is one of those, in which a mutant takes the place of a source.</summary>
    public static bool IsMutated { get; } = Environment.GetEnvironmentVariable(Variable) is not null;

    public static MutantFate Run(Mutant mutant)
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
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            return MutantFate.Killed;
        }

        string text = output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult();
        // What does not compile, or ran no test, has proved nothing.
        Assert.False(text.Contains("KernelCompilationException", StringComparison.Ordinal), $"{mutant.Id} does not compile:\n{text}");
        Assert.True(text.Contains("=== TEST EXECUTION SUMMARY ===", StringComparison.Ordinal) || process.ExitCode > 128,
            $"{mutant.Id} was not tested:\n{text}");
        return process.ExitCode == 0 ? MutantFate.Survived : MutantFate.Killed;
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
