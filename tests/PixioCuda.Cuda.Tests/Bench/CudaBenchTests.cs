using System.Diagnostics;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The benchmarks of the kernels and of a model, on the emulated device: every suite sets itself up, finds its result right, and runs.</summary>
[Trait(Emulator.Category, Emulator.Only)]
public sealed class CudaBenchTests
{
    [Fact]
    public async Task Every_suite_runs()
    {
        Emulator.Require();
        string configuration = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";
        string program = Path.Combine(Repository.Root, "bench", "bin", configuration, "net10.0", "PixioCuda.Bench.dll");
        Assert.True(File.Exists(program), $"There is no {program}: build the solution first.");
        DirectoryInfo artifacts = Directory.CreateTempSubdirectory("pixio-bench-");
        try
        {
            ProcessStartInfo start = new("dotnet", [program, "--filter", "*Suites.Cuda*", "--artifacts", artifacts.FullName])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["PIXIO_BENCH_SMOKE"] = "1" },
            };
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            string[] suites = ["Qkv", "Proj", "Fc1", "Fc2", "Attention", "AttentionProbabilities", "LayerNorm", "MeanTokens", "SelectTokens",
                "AppendMean", "TokensToMap", "Convert", "PatchEmbed", "PosEmbed", "Resize", "Model"];
            Assert.True(process.ExitCode == 0, $"{output}\n{await errors}");
            Assert.All(suites, suite => Assert.Contains($"Cuda{suite}Bench", output, StringComparison.Ordinal));
            Assert.Contains("device us", output, StringComparison.Ordinal);
        }
        finally
        {
            artifacts.Delete(recursive: true);
        }
    }
}
