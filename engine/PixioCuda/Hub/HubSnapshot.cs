using System.Globalization;
using PixioCuda.Weights;

namespace PixioCuda.Hub;

/// <summary>Finds one model's files in the cache and downloads those that are missing: config, preprocessor config, and the weights as one
/// file or as shards with their index. Nothing else of the repository is touched.</summary>
internal sealed class HubSnapshot(HubOptions options, HubSettings settings, HubModelName model, HubClient client)
{
    private const string ConfigFile = "config.json";
    private const string ProcessorFile = "preprocessor_config.json";
    private const int FilesAtOnce = 4;
    private const int FirstAttempts = 3;
    private const int MostShards = 1000;
    private const long LongestConfig = 1 << 20;

    private readonly HubCache _cache = new(settings.CacheFolder, model.Repository);

    /// <summary>The folder with the model's files.</summary>
    /// <exception cref="HubException">The model cannot be had; the message says what to do.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    public async Task<string> ResolveAsync(CancellationToken cancellationToken)
    {
        string? cached = model.IsCommit ? model.Revision : _cache.ReadRef(model.Revision);
        if (settings.IsOffline)
            return Offline(cached);
        if (model.IsCommit && Missing(model.Revision).Length == 0)
            return _cache.SnapshotFolder(model.Revision);

        bool isUsable = cached is not null && Missing(cached).Length == 0;
        HubFile config;
        try
        {
            // The first word with the hub: a machine without a network should learn so soon, all the more where the cache has an answer.
            int attempts = isUsable ? 1 : FirstAttempts;
            config = await client.FindAsync(model.Revision, ConfigFile, attempts, cancellationToken).ConfigureAwait(false)
                ?? throw new HubException(
                    $"The repository {model} has no {ConfigFile}, and so is no model that transformers or this library knows.");
        }
        catch (HubException exception) when (isUsable && exception.InnerException is HubTransientException)
        {
            options.Notice?.Invoke($"{exception.Message} Using {model} as it is in the cache, commit {cached}.");
            return _cache.SnapshotFolder(cached!);
        }

        if (Missing(config.Commit).Length > 0)
            await DownloadAsync(config, cancellationToken).ConfigureAwait(false);
        Remember(config.Commit);
        return _cache.SnapshotFolder(config.Commit);
    }

    /// <summary>The needed files that a commit's snapshot does not hold.</summary>
    private string[] Missing(string commit)
    {
        string[] weights = Has(Checkpoint.SingleFile) ? []
            : Has(Checkpoint.IndexFile) ? [.. Shards(commit).Where(shard => !Has(shard))]
            : [Checkpoint.SingleFile];
        bool knowsProcessor = settings.IsOffline || Has(ProcessorFile) || _cache.IsKnownAbsent(commit, ProcessorFile);
        return [.. Has(ConfigFile) ? [] : new[] { ConfigFile }, .. knowsProcessor ? [] : new[] { ProcessorFile }, .. weights];

        bool Has(string file) => _cache.Holds(commit, file);
    }

    private string Offline(string? commit)
    {
        const string how = "Offline mode is on (HF_HUB_OFFLINE)";
        if (commit is null)
        {
            throw new HubException(
                $"{how}, and the cache '{settings.CacheFolder}' does not know {model}: there is no '{model.Revision}' in "
                + $"'{Path.Combine(_cache.Root, "refs")}'. Download it once while online, or set HF_HUB_CACHE to where it is.");
        }

        string[] missing = Missing(commit);
        return missing.Length == 0
            ? _cache.SnapshotFolder(commit)
            : throw new HubException(
                $"{how}, and of {model} the cache lacks {MessageText.List([.. missing.Select(MessageText.Quote)])} in "
                + $"'{_cache.SnapshotFolder(commit)}'. Download it once while online, or set HF_HUB_CACHE to where it is.");
    }

    private async Task DownloadAsync(HubFile config, CancellationToken cancellationToken)
    {
        if (!_cache.HoldsWeights())
            StateLicence();
        PrepareFolders(config.Commit);
        string commit = config.Commit;
        await FetchAsync([Bounded(config, LongestConfig)], isAnnounced: false, cancellationToken).ConfigureAwait(false);

        List<HubFile> files = [];
        if (await client.FindAsync(commit, ProcessorFile, null, cancellationToken).ConfigureAwait(false) is HubFile processor)
            files.Add(Bounded(processor, LongestConfig));
        else
            _cache.MarkAbsent(commit, ProcessorFile);

        HubFile? single = await client.FindAsync(commit, Checkpoint.SingleFile, null, cancellationToken).ConfigureAwait(false);
        if (single is not null)
            files.Add(single);
        else
            files.AddRange(await FindShardsAsync(commit, cancellationToken).ConfigureAwait(false));
        await FetchAsync(files, isAnnounced: true, cancellationToken).ConfigureAwait(false);
    }

    private async Task<HubFile[]> FindShardsAsync(string commit, CancellationToken cancellationToken)
    {
        HubFile index = await client.FindAsync(commit, Checkpoint.IndexFile, null, cancellationToken).ConfigureAwait(false)
            ?? throw new HubException(
                $"The repository {model} has neither {Checkpoint.SingleFile} nor {Checkpoint.IndexFile}: it holds no weights that can be "
                + $"read from the hub. Look at {model.Page} for what it has, download that, and name the file.");
        await FetchAsync([Bounded(index, ShardIndex.MaxBytes)], isAnnounced: false, cancellationToken).ConfigureAwait(false);

        // Their names were checked to be those of files beside the index.
        string[] shards = Shards(commit);
        if (shards.Length > MostShards)
            throw new HubException($"The index of {model} names {shards.Length} shards, more than the {MostShards} that are downloaded.");
        return await Task.WhenAll(shards.Select(async shard =>
            await client.FindAsync(commit, shard, null, cancellationToken).ConfigureAwait(false)
            ?? throw new HubException($"The index of {model} names {MessageText.Quote(shard)}, which the repository does not have.")))
            .ConfigureAwait(false);
    }

    private async Task FetchAsync(IReadOnlyList<HubFile> files, bool isAnnounced, CancellationToken cancellationToken)
    {
        HubFile[] missing = [.. files.Where(file => !IsInPlace(file))];
        long total = missing.Aggregate(0L, (sum, file) => checked(sum + file.ByteCount));
        RequireSpace(missing, total);
        if (isAnnounced && missing.Length > 0)
        {
            string count = missing.Length == 1 ? "1 file" : $"{missing.Length} files";
            options.Notice?.Invoke(string.Create(CultureInfo.InvariantCulture,
                $"Downloading {count} of {model}, {total:N0} bytes, to '{_cache.Root}'."));
        }

        DownloadReport report = new(isAnnounced ? options : options with { Progress = null }, total);
        await Parallel.ForEachAsync(
            missing, new ParallelOptions { MaxDegreeOfParallelism = FilesAtOnce, CancellationToken = cancellationToken },
            async (file, stop) =>
            {
                BlobDownload download = new(client, _cache, file, options.Timings, report);
                await download.RunAsync(stop).ConfigureAwait(false);
            }).ConfigureAwait(false);
        foreach (HubFile file in files)
        {
            if (!_cache.Holds(file.Commit, file.Name))
                _cache.Link(file.Commit, file.Name, file.Hash);
        }
    }

    private bool IsInPlace(HubFile file)
    {
        FileInfo blob = new(_cache.Blob(file.Hash));
        return _cache.Holds(file.Commit, file.Name) || (blob.Exists && blob.Length == file.ByteCount);
    }

    private string[] Shards(string commit) =>
        [.. ShardIndex.Read(_cache.SnapshotFile(commit, Checkpoint.IndexFile)).Values.Distinct().Order(StringComparer.Ordinal)];

    private HubFile Bounded(HubFile file, long most) => file.ByteCount <= most
        ? file
        : throw new HubException(
            $"The file '{file.Name}' of {model} has {file.ByteCount} bytes, more than the {most} that such a file may have.");

    private void PrepareFolders(string commit)
    {
        try
        {
            foreach (string folder in new[] { "blobs", "refs", Path.Combine("snapshots", commit) })
                Directory.CreateDirectory(Path.Combine(_cache.Root, folder));
            // Folders that were there may still be closed to us.
            string probe = Path.Combine(_cache.Root, "blobs", $".{Path.GetRandomFileName()}");
            File.Create(probe, 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HubException(
                $"Files of {model} are missing in the cache '{settings.CacheFolder}', which cannot be written "
                + $"({exception.Message.TrimEnd('.')}). Set HF_HUB_CACHE (or HF_HOME) to a folder that can be.", exception);
        }
    }

    private void RequireSpace(HubFile[] missing, long total)
    {
        long there = missing.Select(file => new FileInfo(_cache.IncompleteBlob(file.Hash)))
            .Where(info => info.Exists).Sum(info => info.Length);
        long free;
        try
        {
            free = new DriveInfo(_cache.Root).AvailableFreeSpace;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Not every file system says; a full one shows when it is written.
            return;
        }

        if (total - there > free)
        {
            throw new HubException(string.Create(CultureInfo.InvariantCulture,
                $"{model} needs {total - there:N0} more bytes in '{settings.CacheFolder}', where {free:N0} are free. Make room, or set "
                + $"HF_HUB_CACHE to another disk."));
        }
    }

    private void Remember(string commit)
    {
        if (model.IsCommit)
            return;
        try
        {
            _cache.WriteRef(model.Revision, commit);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            options.Notice?.Invoke(
                $"The cache '{settings.CacheFolder}' cannot be written, so that '{model.Revision}' stays there what it was before.");
        }
    }

    private void StateLicence() => options.Notice?.Invoke(
        model.Repository.StartsWith("facebook/pixio-", StringComparison.Ordinal)
            ? $"The weights of {model.Repository} are under the FAIR Noncommercial Research Licence: research only, no commercial use. "
                + $"By downloading them you agree to it; it is at {model.Page}."
            : $"The weights of {model.Repository} are under the licence stated at {model.Page}.");
}
