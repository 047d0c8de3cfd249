using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Bundle;

/// <summary>bench/bundle/run-all.sh with steps of the tests' own: what it makes of their ends, whatever they do.</summary>
public sealed class RunAllTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Status => File.ReadAllText(_folder.File("results/status.tsv"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Each_step_reports_and_the_next_goes_on()
    {
        Steps("correctness good 20 x", "correctness bad 20 x", "correctness absent 20 x", "speed slow 1 x", "speed after 20 x", "peers last 20 x");
        Script("""
            case $1 in
            good) echo "noise"; echo "=> 7 tests passed"; echo "more noise" ;;
            bad) echo "it broke"; exit 9 ;;
            absent) echo "=> there is no PyTorch"; exit 3 ;;
            slow) sleep 30 ;;
            esac
            """);
        ScriptRun run = await RunAsync();
        Assert.Equal(1, run.ExitCode);
        Assert.Matches("(?m)^correctness/good\tpassed\t\\d+\t7 tests passed$", Status);
        Assert.Matches("(?m)^correctness/bad\tfailed\t\\d+\texit code 9: it broke$", Status);
        Assert.Matches("(?m)^correctness/absent\tmissing\t\\d+\tthere is no PyTorch$", Status);
        Assert.Matches("(?m)^speed/slow\tfailed\t\\d+\ttook more than 1s$", Status);
        Assert.Matches("(?m)^speed/after\tpassed\t", Status);
        Assert.Matches("(?m)^peers/last\tpassed\t", Status);
        Assert.Contains("3 passed, 2 failed, 1 missing something, 0 without time", run.Out, StringComparison.Ordinal);
        ScriptRun archive = await ScriptRun.Of("tar", ["-tzf", _folder.File("results/results.tar.gz")]);
        foreach (string file in (string[])["results/table.txt", "results/status.tsv", "results/logs/correctness-bad.log"])
            Assert.Contains(file, archive.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_later_call_leaves_out_what_passed_and_the_table_keeps_it()
    {
        Steps("correctness first 20 x", "correctness second 20 x", "speed third 20 x");
        Script($"""echo "$1" >>"{_folder.File("ran")}"; [ "$1" != second ] || [ -e "{_folder.File("mended")}" ]""");
        Assert.Equal(1, (await RunAsync("correctness")).ExitCode);
        Assert.Equal("first\nsecond\n", File.ReadAllText(_folder.File("ran")));
        File.WriteAllText(_folder.File("mended"), "");
        ScriptRun run = await RunAsync("correctness", "--skip-passed");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal("first\nsecond\nsecond\n", File.ReadAllText(_folder.File("ran")));
        Assert.Contains("2 passed, 0 failed", run.Out, StringComparison.Ordinal);
        // Without the option everything runs again; a stage by itself leaves the others alone.
        Assert.Equal(0, (await RunAsync("speed")).ExitCode);
        Assert.Equal(0, (await RunAsync("correctness")).ExitCode);
        Assert.Equal("first\nsecond\nsecond\nthird\nfirst\nsecond\n", File.ReadAllText(_folder.File("ran")));
    }

    [Fact]
    public async Task What_a_stage_has_no_time_for_waits_for_the_next_call()
    {
        Steps("correctness long 20 x", "correctness late 20 x", "speed other 20 x");
        Script("[ $1 != long ] || sleep 3");
        ScriptRun run = await RunAsync("--seconds", "7");
        Assert.Equal(3, run.ExitCode);
        Assert.Matches("(?m)^correctness/late\tno time\t0\t", Status);
        // The next stage has its own time.
        Assert.Matches("(?m)^speed/other\tpassed\t", Status);
        Assert.Equal(0, (await RunAsync("--skip-passed")).ExitCode);
    }

    [Theory]
    [InlineData("everything", "'everything' is neither a stage nor an option.")]
    [InlineData("--seconds x", "--seconds takes a whole number from 1, not 'x'.")]
    [InlineData("--seconds", "--seconds takes a whole number from 1, not ''.")]
    [InlineData("--output", "--output takes a folder.")]
    public async Task A_slip_is_exit_code_2_and_runs_nothing(string arguments, string sentence)
    {
        ScriptRun run = await ScriptRun.Of("bash", [PathOf("run-all.sh"), .. arguments.Split(' ')], ("PIXIO_STEP", "/bin/false"));
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Out);
        Assert.StartsWith($"run-all.sh: {sentence}", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_step_of_the_list_is_known_and_a_stage_fits_in_two_calls()
    {
        ScriptRun list = await ScriptRun.Of("bash", [PathOf("run-all.sh"), "--list"]);
        Assert.Equal(0, list.ExitCode);
        string[][] steps = [.. list.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' ', 4, StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(["correctness", "speed", "peers"], steps.Select(step => step[0]).Distinct());
        Assert.All(steps, step => Assert.InRange(int.Parse(step[2], System.Globalization.CultureInfo.InvariantCulture), 1, 480));
        // A name that step.sh does not know is refused before anything is started.
        ScriptRun unknown = await ScriptRun.Of("bash", [PathOf("step.sh"), "no-such-step"], ("PIXIO_RESULTS", _folder.File("results")));
        Assert.Equal(2, unknown.ExitCode);
        Assert.Contains("there is no step 'no-such-step'", unknown.Error, StringComparison.Ordinal);
        string[] patterns = [.. File.ReadLines(PathOf("step.sh")).SkipWhile(line => !line.StartsWith("case ${1:-}", StringComparison.Ordinal))
            .Where(line => line.Contains(')', StringComparison.Ordinal) && !line.StartsWith(' '))
            .SelectMany(line => line.Split(')')[0].Split(" | ")).Where(pattern => pattern != "*")];
        Assert.All(steps, step => Assert.Contains(
            patterns, pattern => pattern == step[1] || (pattern.EndsWith('*') && step[1].StartsWith(pattern[..^1], StringComparison.Ordinal))));
    }

    private static string PathOf(string script) => Path.Combine(ScriptRun.Root, "bench", "bundle", script);

    private void Steps(params string[] lines) => File.WriteAllLines(_folder.File("steps"), lines);

    private void Script(string text)
    {
        File.WriteAllText(_folder.File("step"), "#!/bin/bash\n" + text + "\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder.File("step"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private Task<ScriptRun> RunAsync(params string[] arguments) => ScriptRun.Of(
        "bash", [PathOf("run-all.sh"), "--output", _folder.File("results"), .. arguments],
        ("PIXIO_STEP", _folder.File("step")), ("PIXIO_STEPS", _folder.File("steps")));
}
