using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Jobs;

/// <summary>What the user asks of a job.</summary>
/// <param name="Folder">Where the units' outputs go.</param>
/// <param name="Extension">Which kind they are: one of <see cref="FeatureFormat.Extensions"/>.</param>
/// <param name="PartSize">How many pictures a part has that is no tar file.</param>
/// <param name="Shard">Which units are done here.</param>
/// <param name="Overwrite">Whether outputs of another job may be replaced.</param>
/// <param name="RetryFailed">Whether units with failed pictures are done again.</param>
/// <param name="FailureLimit">The most pictures that may fail before the job ends; null for any number.</param>
internal sealed record JobSettings(
    string Folder, string Extension, int PartSize, ShardChoice Shard, bool Overwrite, bool RetryFailed, long? FailureLimit);

/// <summary>What a job came to in this process.</summary>
/// <param name="Units">Units that were done now.</param>
/// <param name="SkippedUnits">Units that were done before.</param>
/// <param name="Pictures">Pictures with features, of all these units.</param>
/// <param name="Failed">Pictures without.</param>
internal sealed record JobCounts(long Units, long SkippedUnits, long Pictures, long Failed);
