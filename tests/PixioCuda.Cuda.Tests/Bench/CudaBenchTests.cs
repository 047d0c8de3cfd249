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
        string output = await Run("--filter", "*Suites.Cuda*");
        string[] suites = ["Qkv", "Proj", "Fc1", "Fc2", "Attention", "AttentionProbabilities", "LayerNorm", "MeanTokens", "SelectTokens",
            "AppendMean", "TokensToMap", "Convert", "FoldNorm", "PatchEmbed", "PosEmbed", "Resize", "Model"];
        Assert.All(suites, suite => Assert.Contains($"Cuda{suite}Bench", output, StringComparison.Ordinal));
        Assert.Contains("device us", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData]
    [InlineData("--fast")]
    public async Task The_tiles_of_each_product_are_held_against_each_other(params string[] mode)
    {
        Emulator.Require();
        string output = await Run(["tiles", "vith16", "1", .. mode]);
        Assert.All((string[])["qkv", "proj", "fc1", "fc2"], product =>
        {
            string[] rows = [.. output.Split('\n').Where(line => line.StartsWith($"| 1 | {product} | ", StringComparison.Ordinal))];
            Assert.Equal(2, rows.Length);
            Assert.Single(rows, row => row.Contains(" (chosen) ", StringComparison.Ordinal));
        });
    }

    private static async Task<string> Run(params string[] arguments)
    {
        string configuration = AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";
        string program = Path.Combine(Repository.Root, "bench", "bin", configuration, "net10.0", "PixioCuda.Bench.dll");
        Assert.True(File.Exists(program), $"There is no {program}: build the solution first.");
        DirectoryInfo artifacts = Directory.CreateTempSubdirectory("pixio-bench-");
        try
        {
            string[] folder = arguments[0] == "--filter" ? ["--artifacts", artifacts.FullName] : [];
            ProcessStartInfo start = new("dotnet", [program, .. arguments, .. folder])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["PIXIO_BENCH_SMOKE"] = "1" },
            };
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.True(process.ExitCode == 0, $"{output}\n{await errors}");
            return output;
        }
        finally
        {
            artifacts.Delete(recursive: true);
        }
    }
}
