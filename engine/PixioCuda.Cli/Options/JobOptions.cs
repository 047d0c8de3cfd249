using System.CommandLine;
using PixioCuda.Cli.Jobs;
using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Options;

/// <summary>What makes of <c>pixio embed</c> a job on many pictures.</summary>
internal sealed class JobOptions
{
    private const int DefaultPartSize = 10_000;

    private readonly Option<string?> _format = new("--format")
    {
        Description = "Make a job of it: --output is a folder, and every tar file and every part of the other pictures becomes a file "
            + "of this kind in it, with a manifest. What is done already is skipped.",
        HelpName = "npy|safetensors|parquet|jsonl",
    };

    private readonly Option<long?> _partSize = OptionFactory.WholeNumber(
        "--part-size", $"Pictures of a part that is no tar file [default: {DefaultPartSize}].", 1, 10_000_000);

    private readonly Option<string?> _shard = new("--shard")
    {
        Description = "Do only a share of the job: I/N, I from 0, or auto or auto/N where Kubernetes, Slurm or torchrun say which.",
        HelpName = "I/N|auto",
    };

    private readonly Option<bool> _overwrite = OptionFactory.Flag("--overwrite", "Replace the outputs of another job in the folder.");
    private readonly Option<bool> _retryFailed = OptionFactory.Flag("--retry-failed", "Do parts again in which pictures failed.");
    private readonly Option<bool> _failFast = OptionFactory.Flag(
        "--fail-fast", "End at the first picture that cannot be used; the default where pictures are named one by one.");

    private readonly Option<long?> _maxFailures = OptionFactory.WholeNumber(
        "--max-failures", "End when more than N pictures cannot be used [default: never, except where --fail-fast is].", 0, long.MaxValue);

    public JobOptions(Command command)
    {
        foreach (Option option in new Option[] { _format, _partSize, _shard, _overwrite, _retryFailed, _failFast, _maxFailures })
            command.Add(option);
    }

    /// <summary>The job, or null where none is asked for.</summary>
    /// <exception cref="UsageException">The options make no sense together.</exception>
    public JobSettings? Read(ParseResult parsed, string? output)
    {
        if (parsed.GetValue(_format) is not string format)
        {
            foreach (Option option in new Option[] { _partSize, _shard, _overwrite, _retryFailed })
            {
                if (parsed.GetResult(option) is { Implicit: false })
                    throw new UsageException($"{option.Name} belongs to a job: add --format npy, safetensors, parquet or jsonl, and --output FOLDER.");
            }

            return null;
        }

        string extension = $".{format}";
        if (!FeatureFormat.Extensions.Contains(extension))
            throw new UsageException($"--format takes one of npy, safetensors, parquet, jsonl, not '{format}'.");
        if (output is null)
            throw new UsageException("A job writes files: add --output FOLDER.");
        return new JobSettings(
            output, extension, (int)(parsed.GetValue(_partSize) ?? DefaultPartSize),
            parsed.GetValue(_shard) is string shard ? ShardChoice.Parse(shard, Environment.GetEnvironmentVariable) : ShardChoice.All,
            parsed.GetValue(_overwrite), parsed.GetValue(_retryFailed), FailureLimit(parsed, failFastByDefault: false));
    }

    /// <summary>The most pictures that may fail; null for any number.</summary>
    /// <exception cref="UsageException">Both options are given.</exception>
    public long? FailureLimit(ParseResult parsed, bool failFastByDefault)
    {
        if (parsed.GetValue(_failFast) && parsed.GetValue(_maxFailures) is not null)
            throw new UsageException("Give --fail-fast or --max-failures, not both.");
        return parsed.GetValue(_failFast) ? 0 : parsed.GetValue(_maxFailures) ?? (failFastByDefault ? 0 : null);
    }
}
