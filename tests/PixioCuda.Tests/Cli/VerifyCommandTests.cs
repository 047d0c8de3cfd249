using System.Diagnostics;
using System.Text.Json;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class VerifyCommandTests
{
    private static string Reference => TestData.Path("tiny", "square.safetensors");

    [Fact]
    public void A_right_model_ends_with_0_and_a_table()
    {
        PixioRun run = PixioRun.Of("verify", CliData.Model, "--against", Reference);
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Equal("Nothing is wrong.", run.OutLines[^1]);
        string[] outputs = ["hidden_states.", "last_hidden_state ", "pooler_output "];
        string[] rows = [.. run.OutLines.Where(line => outputs.Any(output => line.StartsWith(output, StringComparison.Ordinal)))];
        Assert.Equal(6, rows.Length);
        // Aligned, so that every number of a column ends under the column's name.
        string head = Assert.Single(run.OutLines, line => line.StartsWith("relative L2 error of", StringComparison.Ordinal));
        Assert.All(rows, row => Assert.Equal(head.Length, row.Length));
        string reference = Assert.Single(run.OutLines, line => line.StartsWith("reference ", StringComparison.Ordinal));
        Assert.EndsWith("1 thread)", reference, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_model_ends_with_4_and_says_what_is_wrong()
    {
        PixioRun run = PixioRun.Of("verify", CliData.Model, "--against", TestData.Path("tiny-bf16", "square.safetensors"));
        Assert.Equal(4, run.ExitCode);
        Assert.Single(run.OutLines, line => line.StartsWith("wrong: Against the file 6 of 6 outputs", StringComparison.Ordinal));
        Assert.Equal("1 thing is wrong.", run.OutLines[^1]);

        run = PixioRun.Of("verify", CliData.Model, "--against", TestData.Path("tiny-bf16", "square.safetensors"), "--json");
        Assert.Equal(4, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.False(json.RootElement.GetProperty("is_right").GetBoolean());
        Assert.Single(json.RootElement.GetProperty("findings").EnumerateArray());
    }

    [Fact]
    public void Json_has_every_tensor_and_every_output()
    {
        PixioRun run = PixioRun.Of("verify", CliData.Model, "--image", CliData.Cat, "--json", "--quiet");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(Assert.Single(run.OutLines));
        JsonElement root = json.RootElement;
        Assert.True(root.GetProperty("is_right").GetBoolean());
        Assert.True(root.GetProperty("batch_invariant").GetBoolean());
        Assert.Equal(CliData.Cat, root.GetProperty("input").GetString());
        Assert.Equal("hf:bicubic-64x64", root.GetProperty("recipe").GetString());
        Dictionary<string, StoredTensor> stored = MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors"));
        Assert.Equal(stored.Count, root.GetProperty("tensors").GetArrayLength());
        foreach (JsonElement tensor in root.GetProperty("tensors").EnumerateArray())
            Assert.Equal(stored[tensor.GetProperty("name").GetString()!].Floats().Max(), tensor.GetProperty("max").GetSingle());
        Assert.Equal(
            ["hidden_states.0", "hidden_states.1", "hidden_states.2", "hidden_states.3", "last_hidden_state", "pooler_output"],
            root.GetProperty("outputs").EnumerateArray().Select(output => output.GetProperty("name").GetString()));
        Assert.All(root.GetProperty("outputs").EnumerateArray(), output =>
            Assert.True(output.GetProperty("device").GetProperty("relative_l2").GetDouble() <= output.GetProperty("bound").GetDouble()));
    }

    [Fact]
    public void Tensors_are_listed_when_asked_for()
    {
        PixioRun run = PixioRun.Of("verify", CliData.Model, "--tensors");
        Assert.Equal(0, run.ExitCode);
        int tensors = MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors")).Count;
        Assert.Equal(tensors, run.OutLines.Count(line => line.Contains("  F32  ", StringComparison.Ordinal)));
    }

    [Fact]
    public void What_is_not_finite_is_null_in_json()
    {
        using TemporaryFolder folder = new();
        File.Copy(TestData.Path("tiny", "config.json"), folder.File("config.json"));
        byte[] file = File.ReadAllBytes(TestData.Path("tiny", "model.safetensors"));
        // The last tensor ends with an infinity.
        (file[^4], file[^3], file[^2], file[^1]) = (0, 0, 0x80, 0x7F);
        folder.Write("model.safetensors", file);
        PixioRun run = PixioRun.Of("verify", folder.Root, "--json");
        Assert.Equal(4, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        JsonElement.ArrayEnumerator tensors = json.RootElement.GetProperty("tensors").EnumerateArray();
        Assert.Equal(1, tensors.Sum(tensor => tensor.GetProperty("non_finite").GetInt64()));
        Assert.False(json.RootElement.TryGetProperty("outputs", out _));
    }

    [Theory]
    [InlineData(0, "tiny", "square")]
    [InlineData(3, "tiny-hd80", "square")]
    public async Task Temporary_files_are_removed(int expected, string folder, string name)
    {
        using TemporaryFolder temporary = new();
        ProcessStartInfo start = new(
            Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "pixio.exe" : "pixio"),
            ["verify", CliData.Model, "--against", TestData.Path(folder, $"{name}.safetensors")])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // On Unix and on Windows.
        start.Environment["TMPDIR"] = start.Environment["TMP"] = temporary.Root;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        string error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == expected, await output + error);
        Assert.DoesNotContain(Directory.GetFileSystemEntries(temporary.Root), path => path.Contains("pixio", StringComparison.Ordinal));
    }

    [Fact]
    public void The_published_values_are_asked_for_with_a_picture()
    {
        PixioRun run = PixioRun.Of("verify", CliData.Model, "--image", CliData.Cat, "--published");
        Assert.Equal(4, run.ExitCode);
        Assert.Single(run.OutLines, line => line.StartsWith("published ", StringComparison.Ordinal));
        Assert.Single(run.OutLines, line => line.StartsWith("wrong: The published values", StringComparison.Ordinal));
    }
}
