using System.Diagnostics;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

/// <summary>Jobs as processes that are killed, shared out, stopped and starved of disk.</summary>
public sealed class JobProcessTests : IDisposable
{
    private const int Kills = 20;

    private static readonly Dictionary<string, string> NoVariables = [];

    private readonly TemporaryFolder _folder = new();
    private readonly JobData _data;

    public JobProcessTests() => _data = new JobData(_folder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Killed_at_twenty_random_moments_a_job_ends_in_the_same_bytes()
    {
        string[] words = [_data.Folder("pictures", 0, 230), _data.Tar("data-0.tar", 300, 60), _data.Tar("data-1.tar", 400, 60)];
        File.WriteAllText(_folder.File("pictures/00100a.jpg"), "no picture");
        Dictionary<string, Dictionary<string, byte[]>> expected = [];
        foreach (string format in new[] { "npy", "parquet", "safetensors" })
        {
            using Process process = Start(words, format, _folder.File(format));
            Assert.Equal(5, (await PixioProcess.EndAsync(process)).ExitCode);
            expected[format] = JobData.Contents(_folder.File(format));
            Assert.Equal((12 + 2) * (format == "npy" ? 3 : 2), expected[format].Count);
        }

        Random random = new(20_261_125);
        int kills = 0, inTheMiddle = 0;
        for (int job = 0; kills < Kills; job++)
        {
            // A job is killed, at a random moment after some of its units, until it gets through.
            string format = expected.Keys.ElementAt(job % expected.Count), output = _folder.File($"killed-{job}");
            int? exitCode = null;
            while (exitCode is null)
            {
                int units = random.Next(5);
                TimeSpan later = TimeSpan.FromMilliseconds(random.Next(80));
                using Process process = Start(words, format, output);
                exitCode = await PixioProcess.KillAsync(process, line => !line.EndsWith("done before", StringComparison.Ordinal), units, later);
                Assert.True(exitCode is null or 5, $"The exit code is {exitCode}.");
                if (exitCode is not null)
                    continue;
                kills++;
                int manifests = Directory.Exists(output) ? Directory.GetFiles(output, "*.manifest.json").Length : 0;
                inTheMiddle += manifests is > 0 and < 14 ? 1 : 0;
            }

            Dictionary<string, byte[]> actual = JobData.Contents(output);
            Assert.Equal(expected[format].Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
            Assert.All(actual, file => Assert.Equal(expected[format][file.Key], file.Value));
        }

        // Kills before the first unit and after the last one would show nothing.
        Assert.True(inTheMiddle >= Kills / 2, $"Only {inTheMiddle} of {kills} kills were in the middle of a job.");
    }

    [Fact]
    public async Task Workers_that_know_their_share_from_the_environment_give_what_one_gives()
    {
        string[] words = [_data.Folder("pictures", 0, 55), .. Enumerable.Range(0, 5).Select(i => _data.Tar($"data-{i}.tar", 100 * i, 7))];
        string alone = _folder.File("alone");
        using (Process process = Start(words, "parquet", alone, "--part-size", "10"))
            Assert.Equal(0, (await PixioProcess.EndAsync(process)).ExitCode);
        Dictionary<string, byte[]> expected = JobData.Contents(alone);

        (string Shard, Func<int, Dictionary<string, string>> Variables)[] schedulers =
        [
            ("auto/3", index => new() { ["JOB_COMPLETION_INDEX"] = $"{index}" }),
            ("auto", index => new()
            {
                ["SLURM_ARRAY_TASK_ID"] = $"{10 + (2 * index)}", ["SLURM_ARRAY_TASK_MIN"] = "10", ["SLURM_ARRAY_TASK_STEP"] = "2",
                ["SLURM_ARRAY_TASK_COUNT"] = "3",
            }),
            ("auto", index => new() { ["RANK"] = $"{index}", ["WORLD_SIZE"] = "3" }),
        ];
        for (int scheduler = 0; scheduler < schedulers.Length; scheduler++)
        {
            string output = _folder.File($"shared-{scheduler}");
            (string shard, Func<int, Dictionary<string, string>> variables) = schedulers[scheduler];
            // All at the same time, into one folder.
            Process[] workers = [.. Enumerable.Range(0, 3).Select(index =>
                Start(variables(index), words, "parquet", output, "--part-size", "10", "--shard", shard))];
            foreach (Process worker in workers)
            {
                (int? exitCode, string error) = await PixioProcess.EndAsync(worker);
                Assert.True(exitCode == 0, error);
                worker.Dispose();
            }

            Assert.Equal(expected, JobData.Contents(output));
        }

        // Merged, the parts hold every picture once.
        string[] ids = [.. Directory.GetFiles(_folder.File("shared-0"), "*.parquet").SelectMany(file => OutputReaders.Read(file).Ids)];
        Assert.Equal(55 + (5 * 7), ids.Length);
        Assert.Equal(ids.Length, ids.Distinct().Count());
    }

    [Fact]
    public async Task A_full_disk_ends_in_a_sentence_and_the_job_goes_on_when_there_is_room()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("This makes a small disk of its own in a namespace, as only Linux can.");
        // A disk of 256 KB holds the parts of 10 and not the tar of 1500; then it grows.
        string[] words = [_data.Folder("pictures", 0, 20), _data.Tar("large.tar", 100, 1500)];
        string disk = Directory.CreateDirectory(_folder.File("disk")).FullName, output = _folder.File("out");
        const string Script = """
            mount -t tmpfs -o size=256k none "$1" || exit 77
            disk=$1 output=$2
            shift 2
            "$0" embed "$@" -o "$disk/features" 2>"$output.err"
            echo $? >"$output.code"
            ls -A "$disk/features" >"$output.ls"
            mount -o remount,size=16m "$disk" || exit 77
            "$0" embed "$@" -o "$disk/features"
            code=$?
            cp -r "$disk/features" "$output"
            exit $code
            """;
        using Process process = PixioProcess.Start(
            "unshare", NoVariables,
            ["-rm", "bash", "-c", Script, PixioProcess.Path, disk, output, .. words, "-m", CliData.Model, "--format", "npy", "--part-size", "10"]);
        (int? exitCode, string processError) = await PixioProcess.EndAsync(process);
        if (exitCode is 1 or 77 && !File.Exists($"{output}.code"))
            Assert.Skip($"This system lets nobody make a disk of his own: {processError}");
        Assert.Equal("1\n", File.ReadAllText($"{output}.code"));
        string error = File.ReadAllText($"{output}.err");
        Assert.Matches(
            @"\npixio: The outputs of large cannot be written into '.*': No space left on device.* Units that are complete stay; "
            + @"the same command goes on with the others\.\n$", error);
        // What was complete before is there, and nothing half written.
        string[] files = File.ReadAllLines($"{output}.ls");
        Assert.Equal(6, files.Length);
        Assert.All(files, file => Assert.StartsWith("part-0000", file, StringComparison.Ordinal));
        Assert.Equal(0, exitCode);
        Assert.Equal(1500, OutputReaders.Read(Path.Combine(output, "large.npy")).Ids.Length);
        Assert.Equal(9, Directory.GetFileSystemEntries(output).Length);
    }

    [Fact]
    public async Task Ctrl_C_keeps_what_is_complete_and_leaves_nothing_half_written()
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows has no signals to send.");
        // The list is a pipe that stays open, so that the job waits in the middle of its second part.
        string pictures = _data.Folder("pictures", 0, 15), output = _folder.File("out");
        string[] args = ["--list", "-", "-m", CliData.Model, "--format", "npy", "-o", output, "--part-size", "10"];
        using Process process = PixioProcess.Start(
            "bash", NoVariables, ["-c", "(ls -d \"$1\"/*; exec sleep 100) | (shift; exec \"$0\" embed \"$@\")", PixioProcess.Path, pictures, .. args]);
        string? line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.Equal("part-00000.npy: 10 pictures, 0 failed", line);
        int child = int.Parse((await PixioOf(process)).Trim(), System.Globalization.CultureInfo.InvariantCulture);
        using (var kill = Process.Start("kill", ["-INT", $"{child}"]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        // The pipe itself stays open as long as what feeds the list.
        string? error;
        do
            error = await process.StandardError.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        while (error is not null && !error.StartsWith("pixio: ", StringComparison.Ordinal));
        Assert.Equal("pixio: Interrupted.", error);
        while ((await PixioOf(process)).Length > 0)
            await Task.Delay(20, TestContext.Current.CancellationToken);
        process.Kill(entireProcessTree: true);
        Assert.Equal(
            ["part-00000.manifest.json", "part-00000.npy", "part-00000.npy.json"],
            Directory.GetFiles(output).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
    }

    private static async Task<string> PixioOf(Process shell)
    {
        using Process find = PixioProcess.Start("pgrep", NoVariables, ["-x", "-P", $"{shell.Id}", "pixio"]);
        return await find.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private static Process Start(string[] words, string format, string output, params string[] more) =>
        Start(NoVariables, words, format, output, more);

    private static Process Start(
        Dictionary<string, string> variables, string[] words, string format, string output, params string[] more) =>
        PixioProcess.Start(variables, ["embed", .. words, "-m", CliData.Model, "--format", format, "-o", output,
            .. more.Length > 0 ? more : ["--part-size", "20"]]);
}
