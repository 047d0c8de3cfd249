using System.Text.Json;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Each barrier, wait, fence, commit and tail mask of the kernels is taken away in turn: the kernels' tests have to
/// notice.</summary>
[Collection(nameof(EmulatorAlone))]
[Trait(Emulator.Category, Emulator.Only)]
public sealed class MutationTests(ITestOutputHelper output)
{
    private const int SampleSize = 6;

    private static readonly string ListPath = Path.Combine(Repository.Root, "tests", "mutants.json");

    /// <summary>Mutants that may survive, with their reasons.</summary>
    private static readonly Dictionary<string, string> Listed =
        JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(ListPath))!;

    [Fact]
    public void The_list_names_only_mutants_that_there_are_and_says_why()
    {
        HashSet<string> ids = [.. MutantSources.All().Select(mutant => mutant.Id)];
        Assert.All(Listed, pair =>
        {
            Assert.True(ids.Contains(pair.Key), $"tests/mutants.json lists '{pair.Key}', which is no mutant of the kernels (any more).");
            Assert.True(pair.Value.Length > 20, $"tests/mutants.json gives no reason for '{pair.Key}'.");
        });
    }

    [Fact]
    public void The_finder_takes_away_one_thing_at_a_time()
    {
        const string Text = """
            DEVICE void block_sync() { PTX(a, b); }
            KERNEL(k, Args) {
                block_sync();    // all have come; block_sync();
                cp_async_wait<kStages - 2>();
                bool is_row = row < args.rows;
                if (is_row && column + 1 < kColumns) x = row >= args.rows ? 0 : load(y < z ? 1 : 2);
                if constexpr (kA < kB) warp_sync();
                for (u32 i = 0; i < n; i++) cp_async_commit();
                mbarrier_wait(full(stage), ring.phase ^ 1);
                mbarrier_init(full(stage), 1); mbarrier_init(empty(stage), 4 * kWarps);
                meet<kCluster>();
                wgmma_wait<1>(sums);
                load(descriptor<Swizzle::k128>(tile));
                return a < b ? a : b;
            }
            """;
        Assert.Equal(
        [
            "    ;    // all have come; block_sync();",
            "    ;",
            "    cp_async_wait<(kStages - 2) + 1>();",
            "    bool is_row = true;",
            "    if (is_row && true) x = row >= args.rows ? 0 : load(y < z ? 1 : 2);",
            "    if (is_row && column + 1 < kColumns) x = false ? 0 : load(y < z ? 1 : 2);",
            "    if (is_row && column + 1 < kColumns) x = row >= args.rows ? 0 : load(true ? 1 : 2);",
            "    if constexpr (kA < kB) ;",
            "    for (u32 i = 0; i < n; i++) ;",
            "    ;",
            "    mbarrier_wait(full(stage), (ring.phase ^ 1) ^ 1);",
            "    mbarrier_init(full(stage), 1); mbarrier_init(empty(stage), (4 * kWarps) - 1);",
            "    ;",
            "    ;",
            "    wgmma_wait<(1) + 1>(sums);",
            "    load(descriptor<Swizzle::k64>(tile));",
        ], MutantFinder.Find("k.cu", Text).Select(mutant => mutant.Apply(Text).Split('\n').Except(Text.Split('\n')).Single()));
    }

    [Fact]
    public void Every_source_with_mutants_has_tests_that_can_kill_them()
        => Assert.All(MutantSources.All().Select(mutant => mutant.File).Distinct(), file => Assert.NotEmpty(MutantSources.TestClassesOf(file)));

    [Fact]
    public void A_sample_of_mutants_is_killed()
    {
        Emulator.RequireEmulation();
        Assert.SkipWhen(MutantRun.IsMutated, "This is a mutant's run.");
        Mutant[] candidates = [.. MutantSources.All().Where(mutant => !Listed.ContainsKey(mutant.Id))];
        Mutant[] sample = [.. Enumerable.Range(0, SampleSize).Select(i => candidates[i * candidates.Length / SampleSize]).Distinct()];
        (Mutant Mutant, MutantFate Fate)[] fates = RunAll(sample);
        Assert.All(fates, pair => Assert.True(pair.Fate == MutantFate.Killed, $"{pair.Mutant.Id} survives."));
    }

    /// <summary>make mutate: all of them, which takes long; or those of some files (make mutate FILES="gemm.cu panel.cuh").</summary>
    [Fact(Explicit = true)]
    public void Every_mutant_is_killed_or_listed()
    {
        Emulator.RequireEmulation();
        string[] files = (Environment.GetEnvironmentVariable("PIXIO_TEST_MUTANTS_OF") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Mutant[] mutants = [.. MutantSources.All().Where(mutant => files.Length == 0 || files.Contains(mutant.File))];
        Assert.True(mutants.Length > 0, $"There are no mutants of {string.Join(' ', files)}.");
        (Mutant Mutant, MutantFate Fate)[] fates = RunAll(mutants);
        string[] survivors = [.. fates.Where(pair => pair.Fate == MutantFate.Survived).Select(pair => pair.Mutant.Id)];
        string[] unlisted = [.. survivors.Where(id => !Listed.ContainsKey(id))];
        string[] needless = [.. Listed.Keys.Intersect(mutants.Select(mutant => mutant.Id)).Except(survivors)];
        string score = $"{fates.Length - survivors.Length} of {fates.Length} mutants killed, "
            + $"{survivors.Length - unlisted.Length} listed, {unlisted.Length} survive";
        output.WriteLine(score);
        Assert.True(unlisted.Length == 0, $"{score}:\n{string.Join('\n', unlisted)}");
        Assert.True(needless.Length == 0, $"tests/mutants.json lists mutants that are killed:\n{string.Join('\n', needless)}");
    }

    private (Mutant Mutant, MutantFate Fate)[] RunAll(Mutant[] mutants)
    {
        (Mutant, MutantFate)[] fates = new (Mutant, MutantFate)[mutants.Length];
        Parallel.For(0, mutants.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
        {
            (MutantFate fate, string reason) = MutantRun.Run(mutants[i]);
            fates[i] = (mutants[i], fate);
            output.WriteLine($"{fate,-8} {mutants[i].Id}: {reason}");
        });
        return fates;
    }
}
