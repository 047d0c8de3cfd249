using PixioCuda.Cli;
using PixioCuda.Cli.Jobs;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

public class ShardChoiceTests
{
    [Theory]
    [InlineData("2/8", "", 2, 8)]
    [InlineData("auto/4", "JOB_COMPLETION_INDEX=3", 3, 4)]
    [InlineData("auto", "JOB_COMPLETION_INDEX=3 JOB_COMPLETIONS=5", 3, 5)]
    [InlineData("auto", "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_COUNT=8", 7, 8)]
    [InlineData("auto", "SLURM_ARRAY_TASK_ID=7 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=3 SLURM_ARRAY_TASK_COUNT=3", 2, 3)]
    [InlineData("auto", "RANK=0 WORLD_SIZE=1", 0, 1)]
    [InlineData("auto", "RANK=1 WORLD_SIZE=4 JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=2", 0, 2)]
    public void A_share_comes_from_the_words_or_the_environment(string text, string environment, int index, int count) =>
        Assert.Equal(new ShardChoice(index, count), ShardChoice.Parse(text, Variables(environment)));

    [Theory]
    [InlineData("8/8", "", "0/8 to 7/8")]
    [InlineData("1", "", "I/N")]
    [InlineData("-1/2", "", "I of --shard I/N")]
    [InlineData("0/0", "", "N of --shard I/N")]
    [InlineData("1/2/3", "", "I/N")]
    [InlineData("auto", "", "JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID, RANK")]
    [InlineData("auto", "JOB_COMPLETION_INDEX=3", "JOB_COMPLETIONS")]
    [InlineData("auto/2", "JOB_COMPLETION_INDEX=3", "not one of 2 shards")]
    [InlineData("auto", "RANK=x WORLD_SIZE=2", "RANK")]
    public void A_share_that_does_not_exist_is_refused(string text, string environment, string hint) => Assert.Contains(
        hint, Assert.Throws<UsageException>(() => ShardChoice.Parse(text, Variables(environment))).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_unit_is_one_workers()
    {
        for (long unit = 0; unit < 50; unit++)
            Assert.Single(Enumerable.Range(0, 7), index => new ShardChoice(index, 7).Takes(unit));
    }

    private static Func<string, string?> Variables(string text)
    {
        Dictionary<string, string> variables = text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.Split('=')).ToDictionary(parts => parts[0], parts => parts[1]);
        return variables.GetValueOrDefault;
    }
}
