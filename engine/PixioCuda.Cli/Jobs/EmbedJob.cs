using System.Globalization;
using PixioCuda.Cli.Output;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Jobs;

/// <summary>Embeds any number of pictures, unit by unit: every unit's outputs are written under temporary names, flushed to the disk and
/// renamed, then its manifest is. What is done and sound is skipped, so that a job that was stopped in any way goes on where it
/// was.</summary>
internal sealed class EmbedJob(JobSettings settings, FeatureFormat format, UnitPlan plan, PictureWords words)
{
    private readonly Dictionary<string, string> _settings = new(format.Stamp.ToMetadata())
    {
        ["output"] = settings.Extension,
        ["part_size"] = settings.PartSize.ToString(CultureInfo.InvariantCulture),
    };

    private long _units;
    private long _skipped;
    private long _pictures;
    private long _failed;

    /// <summary>What was done so far; may be asked for from any thread.</summary>
    public JobCounts Counts => new(
        Interlocked.Read(ref _units), Interlocked.Read(ref _skipped), Interlocked.Read(ref _pictures), Interlocked.Read(ref _failed));

    /// <summary>Told about every unit that is done: its manifest, the unit where it is a tar file, and whether it was done before.</summary>
    public required Action<UnitManifest, JobUnit?, bool> UnitDone { get; init; }

    /// <summary>The pictures of all units that have still to be done, with marks where a unit begins and ends.</summary>
    public IEnumerable<PictureEntry> Entries(CancellationToken cancellationToken)
    {
        foreach (JobUnit unit in plan.Units())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!settings.Shard.Takes(unit.Index))
                continue;
            if (Done(unit, cancellationToken) is { } manifest)
            {
                yield return PictureEntry.Mark(new UnitSkipped(unit, manifest));
                continue;
            }

            UnitRun run = new(unit, settings, format);
            yield return PictureEntry.Mark(new UnitBegin(run));
            foreach (PictureEntry entry in Entries(run))
                yield return entry;
            yield return PictureEntry.Mark(new UnitEnd(run));
        }
    }

    /// <summary>Takes the results of <see cref="Entries(CancellationToken)"/> and writes them.</summary>
    /// <param name="results">In order.</param>
    /// <param name="finish">Makes an embedding of what the model gave.</param>
    /// <exception cref="InputException">Too many pictures failed.</exception>
    /// <exception cref="FailedException">An output cannot be written.</exception>
    public async Task WriteAsync(
        IAsyncEnumerable<PictureResult> results, Func<string, IReadOnlyList<PictureFeature>, IReadOnlyList<FeatureTensor>> finish)
    {
        UnitRun? current = null;
        try
        {
            await foreach (PictureResult result in results.ConfigureAwait(false))
            {
                switch (result.Entry.Tag)
                {
                    case UnitSkipped skipped:
                        Count(skipped.Manifest.Rows, skipped.Manifest.Failures.Count);
                        Interlocked.Increment(ref _skipped);
                        Tell(skipped.Manifest, skipped.Unit, wasDone: true);
                        break;
                    case UnitBegin begin:
                        current = begin.Run;
                        Writing(current, run => run.Begin());
                        break;
                    case UnitEnd:
                        UnitManifest manifest = Writing(current!, run => run.Complete(_settings));
                        Interlocked.Increment(ref _units);
                        Tell(manifest, current!.Unit, wasDone: false);
                        current = null;
                        break;
                    default:
                        Writing(current!, run => run.Add(result, finish));
                        Count(result.Failure is null ? 1 : 0, result.Failure is null ? 0 : 1);
                        RequireFewFailures(result);
                        break;
                }
            }
        }
        finally
        {
            current?.Dispose();
        }
    }

    private void Tell(UnitManifest manifest, JobUnit unit, bool wasDone) => UnitDone(manifest, unit.IsTar ? unit : null, wasDone);

    private void Count(long pictures, long failed)
    {
        Interlocked.Add(ref _pictures, pictures);
        Interlocked.Add(ref _failed, failed);
    }

    private void RequireFewFailures(PictureResult result)
    {
        if (result.Failure is null || settings.FailureLimit is not long limit || _failed <= limit)
            return;
        string reason = Sentences.Of(result.Failure);
        throw new InputException(limit == 0
            ? $"The picture {result.Entry.Id} failed (--fail-fast): {reason}"
            : $"{_failed} pictures failed, more than the {limit} allowed (--max-failures); the last was {result.Entry.Id}: {reason}");
    }

    /// <summary>What a full disk or a lost share ends in.</summary>
    private T Writing<T>(UnitRun run, Func<UnitRun, T> write)
    {
        try
        {
            return write(run);
        }
        // The last is what .NET makes of a file that is longer than the system or a limit allows.
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            throw new FailedException(
                $"The outputs of {run.Unit.Name} cannot be written into '{settings.Folder}': {Sentences.Of(exception)} "
                + "Units that are complete stay; the same command goes on with the others.");
        }
    }

    private void Writing(UnitRun run, Action<UnitRun> write) => Writing(run, unit =>
    {
        write(unit);
        return true;
    });

    /// <summary>The manifest of a unit that need not be done again.</summary>
    private UnitManifest? Done(JobUnit unit, CancellationToken cancellationToken)
    {
        if (UnitManifest.TryRead(settings.Folder, unit.Name) is not { } manifest)
            return null;
        if (manifest.Difference(_settings) is { } difference)
        {
            return settings.Overwrite ? null : throw new UsageException(
                $"The folder '{settings.Folder}' holds outputs of another job: {difference}. Choose another folder, or replace them with --overwrite.");
        }

        return (settings.RetryFailed && manifest.Failures.Count > 0) || !manifest.IsSound(settings.Folder, unit, cancellationToken)
            ? null : manifest;
    }

    private IEnumerable<PictureEntry> Entries(UnitRun run)
    {
        if (!run.Unit.IsTar)
            return run.Unit.Inputs.Select(input => words.Entry(input.FilePath));
        HashingStream? hashing = null;
        return TarPictures.Read(
            run.Unit.Inputs[0].FilePath,
            wrap: file => hashing = new HashingStream(file),
            atEnd: () =>
            {
                hashing!.ReadToEnd();
                run.TarHash = hashing.Hash;
            });
    }

    private sealed record UnitSkipped(JobUnit Unit, UnitManifest Manifest);

    private sealed record UnitBegin(UnitRun Run);

    private sealed record UnitEnd(UnitRun Run);
}
