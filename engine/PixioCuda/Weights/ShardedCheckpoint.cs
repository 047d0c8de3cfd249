namespace PixioCuda.Weights;

/// <summary>Several safetensors files of one folder that an index makes into one checkpoint.</summary>
internal sealed class ShardedCheckpoint : ITensorSource
{
    private readonly Dictionary<string, SafetensorsFile> _shards;
    private readonly Dictionary<string, string> _shardOfTensor;

    private ShardedCheckpoint(string indexPath, Dictionary<string, SafetensorsFile> shards, Dictionary<string, string> shardOfTensor)
    {
        Description = indexPath;
        _shards = shards;
        _shardOfTensor = shardOfTensor;

        Dictionary<string, TensorInfo> tensors = new(shardOfTensor.Count);
        Dictionary<string, string> unsupported = [];
        foreach ((string tensor, string shard) in shardOfTensor)
        {
            if (shards[shard].Tensors.TryGetValue(tensor, out TensorInfo? info))
                tensors.Add(tensor, info);
            else
                unsupported.Add(tensor, shards[shard].UnsupportedTensors[tensor]);
        }

        Tensors = tensors;
        UnsupportedTensors = unsupported;
    }

    public string Description { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> UnsupportedTensors { get; }

    public bool IsRandom => _shards.Values.Any(shard => shard.IsRandom);

    /// <summary>Opens every shard that an index names.</summary>
    /// <exception cref="ModelFormatException">The index or a shard is not valid, a shard is missing, or the shards do not hold exactly the
    /// tensors that the index maps to them.</exception>
    public static ShardedCheckpoint Open(string indexPath)
    {
        Dictionary<string, string> shardOfTensor = ShardIndex.Read(indexPath);
        string folder = Path.GetDirectoryName(Path.GetFullPath(indexPath))!;
        string[] names = [.. shardOfTensor.Values.Distinct().Order(StringComparer.Ordinal)];
        string[] absent = [.. names.Where(name => !File.Exists(Path.Combine(folder, name)))];
        if (absent.Length > 0)
        {
            throw new ModelFormatException($"'{indexPath}' names {Count(absent.Length, "shard")} not there: "
                + $"{MessageText.List([.. absent.Select(MessageText.Quote)])}; download what is missing into '{folder}'.");
        }

        Dictionary<string, SafetensorsFile> shards = [];
        try
        {
            foreach (string name in names)
                shards.Add(name, SafetensorsFile.Open(Path.Combine(folder, name)));
            CheckShardsHoldWhatTheIndexSays(indexPath, shards, shardOfTensor);
            return new ShardedCheckpoint(indexPath, shards, shardOfTensor);
        }
        catch
        {
            foreach (SafetensorsFile shard in shards.Values)
                shard.Dispose();
            throw;
        }
    }

    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_shardOfTensor.TryGetValue(tensor.Name, out string? shard))
            throw new ArgumentException($"'{Description}' holds no tensor {MessageText.Quote(tensor.Name)}.", nameof(tensor));
        _shards[shard].ReadBytes(tensor, byteOffset, destination);
    }

    public string FileOf(TensorInfo tensor) => _shardOfTensor[tensor.Name];

    public void ThrowIfChanged()
    {
        foreach (ITensorSource shard in _shards.Values)
            shard.ThrowIfChanged();
    }

    public void Dispose()
    {
        foreach (SafetensorsFile shard in _shards.Values)
            shard.Dispose();
    }

    private static void CheckShardsHoldWhatTheIndexSays(
        string indexPath, Dictionary<string, SafetensorsFile> shards, Dictionary<string, string> shardOfTensor)
    {
        string[] missing =
        [
            .. shardOfTensor.Where(pair => !Holds(shards[pair.Value], pair.Key))
                .Select(pair => $"{MessageText.Quote(pair.Key)} in {MessageText.Quote(pair.Value)}"),
        ];
        string[] surplus =
        [
            .. shards.SelectMany(shard => shard.Value.Tensors.Keys.Concat(shard.Value.UnsupportedTensors.Keys)
                .Where(tensor => !shardOfTensor.TryGetValue(tensor, out string? mapped) || mapped != shard.Key)
                .Select(tensor => $"{MessageText.Quote(tensor)} in {MessageText.Quote(shard.Key)}")),
        ];
        List<string> faults = [];
        if (missing.Length > 0)
            faults.Add($"{Count(missing.Length, "tensor")} missing from the shard that the index names ({MessageText.List(missing)})");
        if (surplus.Length > 0)
            faults.Add($"{Count(surplus.Length, "tensor")} in a shard that the index does not name for it ({MessageText.List(surplus)})");
        if (faults.Count > 0)
        {
            throw new ModelFormatException(
                $"The shards of '{indexPath}' do not hold what it says: {string.Join("; ", faults)}; are all files of one download?");
        }
    }

    private static bool Holds(SafetensorsFile shard, string tensor)
        => shard.Tensors.ContainsKey(tensor) || shard.UnsupportedTensors.ContainsKey(tensor);

    private static string Count(int count, string noun) => count == 1 ? $"1 {noun} that is" : $"{count} {noun}s that are";
}
