using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

public sealed class EmbedJobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly JobData _data;

    public EmbedJobTests() => _data = new JobData(_folder);

    public void Dispose() => _folder.Dispose();

    private string Output => _folder.File("out");

    [Theory]
    [InlineData("npy")]
    [InlineData("safetensors")]
    [InlineData("parquet")]
    [InlineData("jsonl")]
    public void Folders_and_tars_become_parts_with_every_picture_once_and_in_order(string format)
    {
        string pictures = _data.Folder("pictures", 0, 23), tar = _data.Tar("data-0.tar", 100, 9);
        File.WriteAllText(Path.Combine(pictures, "00011a.png"), "no picture");
        PixioRun run = Job(format, pictures, tar);
        Assert.Equal(5, run.ExitCode);
        Assert.Equal(
            [$"data-0.{format}: 9 pictures, 0 failed", $"part-00000.{format}: 10 pictures, 0 failed",
                $"part-00001.{format}: 9 pictures, 1 failed", $"part-00002.{format}: 4 pictures, 0 failed"],
            run.OutLines.Order(StringComparer.Ordinal));

        using PixioModel model = CliData.Load();
        string[] units = ["part-00000", "part-00001", "part-00002", "data-0"];
        ReadOutput[] read = [.. units.Select(unit => OutputReaders.Read(Path.Combine(Output, $"{unit}.{format}")))];
        Assert.Equal(
            [.. Enumerable.Range(0, 23).Select(number => $"{pictures}/{number:D5}.bmp"),
                .. Enumerable.Range(100, 9).Select(number => $"{tar}/{number:D5}.bmp")],
            read.SelectMany(output => output.Ids));
        int[] numbers = [.. Enumerable.Range(0, 23), .. Enumerable.Range(100, 9)];
        Assert.Equal(numbers.Select(number => _data.Embedding(model, number)), read.SelectMany(output => output.Embeddings));
        (string id, string reason) = Assert.Single(read.SelectMany(output => output.Failures));
        Assert.Equal($"{pictures}/00011a.png", id);
        Assert.Contains("cannot be read as an image", reason, StringComparison.Ordinal);
        foreach (ReadOutput output in read)
        {
            Assert.Equal(64, output.Stamp["model_sha256"].Length);
            Assert.Equal("hf:bicubic-64x64", output.Stamp["recipe"]);
            Assert.Equal("float32", output.Stamp["precision"]);
            Assert.Equal(PixioCuda.Cli.PixioCommandLine.Version, output.Stamp["pixio_version"]);
        }

        // Nothing but outputs and manifests stays.
        Assert.Equal(4 * (format == "npy" ? 3 : 2), Directory.GetFileSystemEntries(Output).Length);
    }

    [Fact]
    public void A_manifest_says_what_went_in_and_what_came_out()
    {
        string tar = _data.Tar("data-0.tar", 0, 5);
        Assert.Equal(0, Job("npy", tar).ExitCode);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Output, "data-0.manifest.json")));
        JsonElement root = json.RootElement;
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(tar))),
            root.GetProperty("input").GetProperty("sha256").GetString());
        Assert.Equal(5, root.GetProperty("rows").GetInt32());
        Assert.Empty(root.GetProperty("failures").EnumerateArray());
        Assert.Equal("hf:bicubic-64x64", root.GetProperty("settings").GetProperty("recipe").GetString());
        foreach (JsonElement output in root.GetProperty("outputs").EnumerateArray())
        {
            byte[] file = File.ReadAllBytes(Path.Combine(Output, output.GetProperty("file").GetString()!));
            Assert.Equal(file.Length, output.GetProperty("bytes").GetInt32());
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file)), output.GetProperty("sha256").GetString());
        }
    }

    [Fact]
    public void What_is_done_is_skipped_with_the_same_exit_code()
    {
        string pictures = _data.Folder("pictures", 0, 12), missing = _folder.File("missing.tar");
        Assert.Equal(5, Job("parquet", pictures, missing).ExitCode);
        Dictionary<string, byte[]> before = JobData.Contents(Output);
        DateTime[] times = [.. Times()];
        PixioRun again = Job("parquet", pictures, missing);
        Assert.Equal(5, again.ExitCode);
        Assert.All(again.OutLines, line => Assert.EndsWith("done before", line, StringComparison.Ordinal));
        Assert.Equal(before, JobData.Contents(Output));
        Assert.Equal(times, Times());

        IEnumerable<DateTime> Times() => Directory.GetFiles(Output).Order(StringComparer.Ordinal).Select(File.GetLastWriteTimeUtc);
    }

    [Theory]
    [InlineData("output", true)]
    [InlineData("shortened", true)]
    [InlineData("manifest", true)]
    [InlineData("damaged manifest", true)]
    [InlineData("input", true)]
    [InlineData("input's time", false)]
    [InlineData("nothing", false)]
    public void What_is_no_longer_sound_is_done_again(string changed, bool isRedone)
    {
        string pictures = _data.Folder("pictures", 0, 14);
        Assert.Equal(0, Job("jsonl", pictures).ExitCode);
        Dictionary<string, byte[]> before = JobData.Contents(Output);
        string output = Path.Combine(Output, "part-00001.jsonl"), manifest = Path.Combine(Output, "part-00001.manifest.json");
        string input = Path.Combine(pictures, "00012.bmp");
        switch (changed)
        {
            case "output":
                byte[] bytes = File.ReadAllBytes(output);
                bytes[^5] ^= 1;
                File.WriteAllBytes(output, bytes);
                break;
            case "shortened":
                File.WriteAllBytes(output, File.ReadAllBytes(output)[..^1]);
                break;
            case "manifest":
                File.Delete(manifest);
                break;
            case "damaged manifest":
                File.WriteAllBytes(manifest, File.ReadAllBytes(manifest)[..100]);
                break;
            case "input":
                File.WriteAllBytes(input, JobData.Picture(77));
                break;
            case "input's time":
                File.SetLastWriteTimeUtc(input, new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc));
                break;
        }

        PixioRun run = Job("jsonl", pictures);
        Assert.Equal(0, run.ExitCode);
        Assert.EndsWith("done before", run.OutLines[0], StringComparison.Ordinal);
        Assert.Equal(!isRedone, run.OutLines[1].EndsWith("done before", StringComparison.Ordinal));
        if (changed == "input")
        {
            using PixioModel model = CliData.Load();
            Assert.Equal(_data.Embedding(model, 77), OutputReaders.Read(output).Embeddings[2]);
        }
        else
        {
            Assert.Equal(before, JobData.Contents(Output));
        }
    }

    [Fact]
    public void Outputs_of_another_job_are_not_mixed_in()
    {
        string pictures = _data.Folder("pictures", 0, 3);
        Assert.Equal(0, Job("npy", pictures).ExitCode);
        PixioRun other = Job("npy", [pictures, "--normalize"]);
        Assert.Equal(2, other.ExitCode);
        Assert.Contains("normalized is 'false' there and 'true' here", other.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Equal(0, Job("npy", [pictures, "--normalize", "--overwrite"]).ExitCode);
        Assert.All(
            OutputReaders.Read(Path.Combine(Output, "part-00000.npy")).Embeddings,
            row => Assert.Equal(1, row.Sum(value => (double)value * value), 1e-6));
    }

    [Fact]
    public void Failed_pictures_are_tried_again_when_asked_for()
    {
        string pictures = _data.Folder("pictures", 0, 3), late = _folder.File("late.bmp");
        Assert.Equal(5, Job("npy", pictures, late).ExitCode);
        // What was missing and is there now makes another input.
        File.WriteAllBytes(late, JobData.Picture(9));
        Assert.Equal(0, Job("npy", pictures, late).ExitCode);

        File.WriteAllText(late, "no picture");
        Assert.Equal(5, Job("npy", pictures, late).ExitCode);
        Assert.EndsWith("done before", Job("npy", pictures, late).OutLines[0], StringComparison.Ordinal);
        PixioRun retried = Job("npy", [pictures, late, "--retry-failed"]);
        Assert.Equal(5, retried.ExitCode);
        Assert.DoesNotContain("done before", retried.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--fail-fast", 3)]
    [InlineData("--max-failures 0", 3)]
    [InlineData("--max-failures 1", 3)]
    [InlineData("--max-failures 2", 5)]
    [InlineData("", 5)]
    public void A_limit_of_failures_ends_a_job(string option, int exitCode)
    {
        string pictures = _data.Folder("pictures", 0, 25);
        File.WriteAllText(Path.Combine(pictures, "00013a.png"), "no picture");
        File.WriteAllText(Path.Combine(pictures, "00014a.png"), "no picture");
        PixioRun run = Job("npy", [pictures, .. option.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Equal(exitCode, run.ExitCode);
        // What was complete before stays, and nothing else.
        Assert.True(File.Exists(Path.Combine(Output, "part-00000.npy")));
        Assert.Equal(exitCode == 5, File.Exists(Path.Combine(Output, "part-00001.npy")));
        Assert.Equal(exitCode == 5 ? 9 : 3, Directory.GetFileSystemEntries(Output).Length);
    }

    [Fact]
    public void A_damaged_tar_gives_what_it_has_and_the_others_go_on()
    {
        string cut = _data.Tar("cut.tar", 0, 4), whole = _data.Tar("whole.tar", 10, 2);
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..^3000]);
        Assert.Equal(5, Job("jsonl", cut, whole).ExitCode);
        ReadOutput read = OutputReaders.Read(Path.Combine(Output, "cut.jsonl"));
        Assert.InRange(read.Ids.Length, 1, 4);
        (string id, string reason) = Assert.Single(read.Failures);
        Assert.Equal(cut, id);
        Assert.Contains("cut short", reason, StringComparison.Ordinal);
        Assert.Equal(2, OutputReaders.Read(Path.Combine(Output, "whole.jsonl")).Ids.Length);
    }

    [Fact]
    public void Tars_of_one_name_are_refused()
    {
        Directory.CreateDirectory(_folder.File("a"));
        Directory.CreateDirectory(_folder.File("b"));
        PixioRun run = Job("npy", _data.Tar("a/x.tar", 0, 1), _data.Tar("b/x.tar", 0, 1));
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("b/x.tar", run.ErrorLines[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("npy")]
    [InlineData("safetensors")]
    [InlineData("parquet")]
    [InlineData("jsonl")]
    public void Half_precision_is_the_nearest_half(string format)
    {
        string pictures = _data.Folder("pictures", 0, 6);
        File.WriteAllText(Path.Combine(pictures, "00002a.png"), "no picture");
        Assert.Equal(5, Job(format, [pictures, "--dtype", "f16"]).ExitCode);
        using PixioModel model = CliData.Load();
        ReadOutput read = OutputReaders.Read(Path.Combine(Output, $"part-00000.{format}"));
        Assert.Equal("float16", read.Stamp["dtype"]);
        Assert.Equal(6, read.Ids.Length);
        Assert.Equal($"{pictures}/00002a.png", Assert.Single(read.Failures).Id);
        for (int number = 0; number < 6; number++)
            Assert.Equal(_data.Embedding(model, number).Select(value => (float)(Half)value), read.Embeddings[number]);
    }

    [Fact]
    public void Dense_features_become_safetensors_shards()
    {
        string pictures = _data.Folder("pictures", 0, 12);
        Assert.Equal(0, Job("safetensors", [pictures, "--embedding", "dense-2d", "--hidden-states", "2"]).ExitCode);
        Dictionary<string, StoredTensor> first = MinimalSafetensors.Read(Path.Combine(Output, "part-00000.safetensors"));
        Dictionary<string, StoredTensor> second = MinimalSafetensors.Read(Path.Combine(Output, "part-00001.safetensors"));
        Assert.Equal([10, 16, 128], first["embeddings"].Shape);
        Assert.Equal([2, 16, 128], second["embeddings"].Shape);
        Assert.Equal([2, 24, 64], second["hidden_states.2"].Shape);
        using PixioModel model = CliData.Load();
        EncoderOutputs expected = model.Run(
            [model.Decode(JobData.Picture(11), "11")], EncoderTaps.For(EmbeddingKind.Dense2d) with { HiddenStates = [2] },
            TestContext.Current.CancellationToken);
        Assert.Equal(expected["dense_2d"].ToArray(), second["embeddings"].Floats()[^(16 * 128)..]);
        Assert.Equal(expected["hidden_states.2"].ToArray(), second["hidden_states.2"].Floats()[^(24 * 64)..]);
    }

    [Fact]
    public void A_list_on_standard_input_is_a_job_like_any_other()
    {
        string pictures = _data.Folder("pictures", 0, 15);
        byte[] list = Encoding.UTF8.GetBytes(string.Join('\n', Directory.GetFiles(pictures).Order(StringComparer.Ordinal)));
        string[] args = ["embed", "--list", "-", "-m", CliData.Model, "--format", "npy", "-o", Output, "--part-size", "10"];
        Assert.Equal(0, PixioRun.OfInput(list, args).ExitCode);
        Assert.Equal(15, new[] { "part-00000.npy", "part-00001.npy" }.Sum(name => OutputReaders.Read(Path.Combine(Output,
            name)).Ids.Length));
        Assert.All(PixioRun.OfInput(list, args).OutLines, line => Assert.EndsWith("done before", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("npy")]
    [InlineData("safetensors")]
    [InlineData("parquet")]
    [InlineData("jsonl")]
    public void A_folder_into_one_file_lists_bad_pictures_in_it(string extension)
    {
        string pictures = _data.Folder("pictures", 0, 5), output = _folder.File($"all.{extension}");
        File.WriteAllText(Path.Combine(pictures, "00002a.jpg"), "no picture");
        Assert.Equal(5, PixioRun.Of("embed", pictures, "-m", CliData.Model, "-o", output).ExitCode);
        ReadOutput read = OutputReaders.Read(output);
        Assert.Equal(5, read.Ids.Length);
        Assert.Equal($"{pictures}/00002a.jpg", Assert.Single(read.Failures).Id);
        Assert.Equal(3, PixioRun.Of("embed", pictures, "-m", CliData.Model, "-o", output, "--fail-fast").ExitCode);
        Assert.Equal(3, PixioRun.Of("embed", pictures, "-m", CliData.Model, "--max-failures", "0").ExitCode);
    }

    private PixioRun Job(string format, params string[] words) =>
        PixioRun.Of(["embed", .. words, "-m", CliData.Model, "--format", format, "-o", Output, "--part-size", "10", "--batch", "4"]);
}
