using PixioCuda.Tests.Bundle;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

/// <summary>tests/check_outputs.py, by Python alone and by what else of Python's libraries is on this machine.</summary>
public sealed class CheckOutputsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Outputs_of_every_kind_agree()
    {
        string[] files = [Embed("a.npy"), Embed("a.safetensors"), Embed("a.parquet"), Embed("a.jsonl"), Embed("h.npy", "f16"), Embed("h.safetensors", "f16"), Embed("h.parquet", "f16")];
        ScriptRun run = await CheckAsync(files);
        Assert.True(run.ExitCode == 0, run.Error);
        string[] lines = run.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(files.Length, lines.Length);
        foreach (string file in files.Where(file => !file.EndsWith(".parquet", StringComparison.Ordinal)))
        {
            string type = Path.GetFileName(file)[0] == 'h' ? "float16" : "float32";
            string line = Assert.Single(lines, line => line.StartsWith($"{file}: ", StringComparison.Ordinal));
            Assert.Contains($"2 embeddings {type}[64], 1 failed, model ", line, StringComparison.Ordinal);
            Assert.Contains("; read by Python", line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Dense_features_agree()
    {
        ScriptRun run = await CheckAsync(
            Embed("a.npy", embedding: "dense-2d"), Embed("a.safetensors", embedding: "dense-2d"), Embed("a.jsonl", embedding: "dense-2d"));
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Equal(3, run.Out.Split("2 embeddings float32[16, 128]").Length - 1);
    }

    [Theory]
    [InlineData(".npy")]
    [InlineData(".safetensors")]
    public async Task A_number_that_differs_is_found(string extension)
    {
        string good = Embed("good.jsonl"), other = Embed($"other{extension}");
        byte[] bytes = File.ReadAllBytes(other);
        // The exponent's lowest bit of the last number.
        bytes[^2] ^= 0x80;
        File.WriteAllBytes(other, bytes);
        ScriptRun run = await CheckAsync(good, other);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains($"{other} has other numbers than {good}.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_cannot_be_read_are_named()
    {
        string cut = Embed("cut.safetensors");
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..^4]);
        foreach ((string file, string sentence) in new[]
        {
            (cut, "there are 508 bytes of numbers for the shape [2, 64]"),
            (_folder.File("none.npy"), "No such file"),
            (_folder.File("what.txt"), "is none of the files that are checked: .npy, .safetensors, .parquet, .jsonl."),
        })
        {
            ScriptRun run = await CheckAsync(file);
            Assert.Equal(1, run.ExitCode);
            string line = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Assert.StartsWith(file, line, StringComparison.Ordinal);
            Assert.Contains(sentence, line, StringComparison.Ordinal);
        }
    }

    /// <summary>Embeds two pictures and one that is none.</summary>
    private string Embed(string name, string dtype = "f32", string embedding = "pooler")
    {
        string bad = _folder.File("bad.png"), output = _folder.File(name);
        File.WriteAllText(bad, "no picture");
        PixioRun run = PixioRun.Of(
            "embed", TestData.Path("images", "cat.png"), bad, TestData.Path("images", "exif-6.jpg"), "--model", CliData.Model, "--max-failures", "1",
            "--output", output, "--dtype", dtype, "--embedding", embedding, "--quiet");
        Assert.True(run.ExitCode == 5, run.Error);
        return output;
    }

    private static Task<ScriptRun> CheckAsync(params string[] files) => ScriptRun.Of(
        "python3", [Path.Combine(ScriptRun.Root, "tests", "check_outputs.py"), "--skip-missing", .. files], ("PYTHONDONTWRITEBYTECODE", "1"));
}
