using System.Globalization;

namespace PixioCuda.Cli.Jobs;

/// <summary>Which parts of a job this process does: those whose number leaves <paramref name="Index"/> when divided by
/// <paramref name="Count"/>.</summary>
internal sealed record ShardChoice(int Index, int Count)
{
    private const string Auto = "auto";

    /// <summary>All parts.</summary>
    public static ShardChoice All { get; } = new(0, 1);

    /// <summary>Whether a part is this process's.</summary>
    public bool Takes(long part) => part % Count == Index;

    /// <summary>Reads "2/8", "auto", or "auto/8", where only the number is given and the index comes from the environment.</summary>
    /// <param name="text">What the user says.</param>
    /// <param name="environment">Reads a variable.</param>
    /// <exception cref="UsageException">It is none of these, or the environment does not say what it must.</exception>
    public static ShardChoice Parse(string text, Func<string, string?> environment)
    {
        string[] parts = text.Split('/');
        if (parts[0] == Auto && parts.Length <= 2)
            return FromEnvironment(parts.Length == 2 ? Number(parts[1], 1, "N of --shard auto/N") : null, environment);
        if (parts.Length != 2)
            throw new UsageException($"--shard takes I/N with I from 0 to N - 1, auto, or auto/N, not '{text}'.");
        int count = Number(parts[1], 1, "N of --shard I/N"), index = Number(parts[0], 0, "I of --shard I/N");
        return index < count
            ? new ShardChoice(index, count)
            : throw new UsageException($"--shard {text} does not exist: the shards of {count} are 0/{count} to {count - 1}/{count}.");
    }

    private static ShardChoice FromEnvironment(int? given, Func<string, string?> environment)
    {
        // Each scheduler's index, what it begins at and goes up by, and how many there are.
        (string Index, string? First, string? Step, string Count)[] schedulers =
        [
            ("JOB_COMPLETION_INDEX", null, null, "JOB_COMPLETIONS"),
            ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT"),
            ("RANK", null, null, "WORLD_SIZE"),
        ];
        foreach ((string indexName, string? firstName, string? stepName, string countName) in schedulers)
        {
            if (Read(indexName, 0) is not int index)
                continue;
            int first = firstName is null ? 0 : Read(firstName, 0) ?? 0, step = stepName is null ? 1 : Read(stepName, 1) ?? 1;
            int count = given ?? Read(countName, 1)
                ?? throw new UsageException($"--shard auto finds {indexName}, but not {countName}, which tells the number of shards: set it, or give --shard auto/N.");
            index = (index - first) / step;
            return index >= 0 && index < count
                ? new ShardChoice(index, count)
                : throw new UsageException($"--shard auto finds {indexName}={environment(indexName)}, which is not one of {count} shards.");
        }

        throw new UsageException(
            $"--shard auto finds none of {string.Join(", ", schedulers.Select(scheduler => scheduler.Index))} in the environment: give --shard I/N.");

        int? Read(string name, int least) => environment(name) is { Length: > 0 } value ? Number(value, least, name) : null;
    }

    private static int Number(string text, int least, string name) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least
            ? value
            : throw new UsageException($"{name} must be a whole number from {least} on, and is '{text}'.");
}
