using PixioCuda.Cli.Output;
using PixioCuda.Pipeline;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class StatusLineTests
{
    private static readonly TimeSpan Often = TimeSpan.FromMilliseconds(5);

    [Fact]
    public void Elsewhere_than_on_a_terminal_it_is_plain_lines()
    {
        using StringWriter output = new() { NewLine = "\n" };
        using ManualResetEventSlim seen = new();
        int count = 0;
        using (new StatusLine(output, isTerminal: false, Text, Often))
            Assert.True(seen.Wait(TimeSpan.FromMinutes(2)));
        string[] lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length >= 2);
        Assert.Equal(Enumerable.Range(1, lines.Length).Select(number => $"{number} done"), lines);

        string Text()
        {
            if (++count == 3)
                seen.Set();
            return $"{count} done";
        }
    }

    [Fact]
    public void On_a_terminal_it_is_one_line_that_gives_way_and_is_gone_in_the_end()
    {
        using StringWriter output = new() { NewLine = "\n" };
        using ManualResetEventSlim drawn = new();
        using (StatusLine status = new(output, isTerminal: true, Text, Often))
        {
            Assert.True(drawn.Wait(TimeSpan.FromMinutes(2)));
            status.Above(() => output.WriteLine("a line"));
        }

        string text = output.ToString();
        const string clear = "\r\u001b[K";
        Assert.StartsWith(clear, text, StringComparison.Ordinal);
        // Whatever is written above begins on an empty line, and so does whatever comes after the end.
        Assert.Contains($"{clear}a line\n", text, StringComparison.Ordinal);
        string last = text[(text.LastIndexOf(clear, StringComparison.Ordinal) + clear.Length)..];
        Assert.True(last is "" or "a line\n", last);
        Assert.DoesNotContain("\n", text.Replace("a line\n", "", StringComparison.Ordinal), StringComparison.Ordinal);

        string Text()
        {
            drawn.Set();
            return new string('x', 10_000);
        }
    }

    [Fact]
    public void Progress_tells_rate_failures_time_left_and_every_stage()
    {
        PipelineStatistics statistics = new(
            TimeSpan.FromSeconds(20), Succeeded: 190, Failed: 10, EncodedByteCount: 1,
            [.. Enum.GetValues<PipelineStage>().Select((stage, index) => new StageShare(stage, TimeSpan.FromSeconds(index), 1,
                index / 10.0))]);
        Assert.Equal(
            "700 of 1000 pictures, 12 failed, 10.0 images/s, 00:00:30 left; source 0%, read 10%, decode 20%, preprocess 30%, gpu-preprocess 40%, engine 50%, write 60%",
            PipelineText.Progress(statistics, done: 700, failed: 12, total: 1000));
        Assert.Equal(
            "700 pictures, 12 failed, 10.0 images/s; source 0%, read 10%, decode 20%, preprocess 30%, gpu-preprocess 40%, engine 50%, write 60%",
            PipelineText.Progress(statistics, done: 700, failed: 12, total: null));
        // Read, decode and preprocess share their threads: together they are the busiest, and of them preprocess is.
        PipelineStatistics calmWriter = statistics with { Stages = [.. statistics.Stages.Where(share => share.Stage != PipelineStage.Write)] };
        Assert.EndsWith("the limit is preprocess", PipelineText.Summary(calmWriter, preprocessing: null), StringComparison.Ordinal);
        Assert.EndsWith(
            "the limit is preprocess; preprocessed on the CPU, as asked", PipelineText.Summary(calmWriter, "on the CPU, as asked"),
            StringComparison.Ordinal);
    }
}
