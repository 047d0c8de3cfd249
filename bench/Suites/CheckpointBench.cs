using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using BenchmarkDotNet.Attributes;
using PixioCuda.Bench.Reporting;
using PixioCuda.Weights;

namespace PixioCuda.Bench.Suites;

/// <summary>Opening the checkpoint of ViT-5B: an index and five shards of 21.8 GB together, of which only the headers exist on the disk.
/// No weight is read.</summary>
public class CheckpointBench : ICountsWork
{
    private const int ShardCount = 5;

    private readonly PixioConfig _config = PixioPresets.Get("vit5b16");
    private string _folder = "";

    Work ICountsWork.Work => default;

    /// <summary>Writes the folder and checks that it is a whole model.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _folder = Directory.CreateTempSubdirectory("pixio-bench-").FullName;
        IReadOnlyList<TensorInfo> tensors = HuggingFaceNames.EncoderTensors(_config);
        StringBuilder map = new();
        int tensorsPerShard = (tensors.Count + ShardCount - 1) / ShardCount;
        foreach ((int shard, TensorInfo[] part) in tensors.Chunk(tensorsPerShard).Index())
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:D5}-of-{ShardCount:D5}.safetensors");
            WriteHeader(Path.Combine(_folder, name), part);
            foreach (TensorInfo tensor in part)
                map.Append(map.Length == 0 ? "" : ",").Append(CultureInfo.InvariantCulture, $"\"{tensor.Name}\":\"{name}\"");
        }

        File.WriteAllText(Path.Combine(_folder, Checkpoint.IndexFile), $"{{\"weight_map\":{{{map}}}}}");
        PixioConfigJson.Save(_config, Path.Combine(_folder, CheckpointFolder.ConfigFile));
        StepBench.Require(PixioModelInfo.Open(_folder).StoredByteCount, 4.0 * _config.ParameterCount, 0, "bytes of ViT-5B");
    }

    /// <summary>Removes the folder.</summary>
    [GlobalCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    /// <summary>Index and headers read and checked, every weight of the encoder found.</summary>
    [Benchmark]
    public int OpenShardedVit5B()
    {
        using ITensorSource source = Checkpoint.Open(_folder);
        return CheckpointBinding.Bind(source, HuggingFaceNames.EncoderTensors(_config)).StoredTensorCount;
    }

    private static void WriteHeader(string path, TensorInfo[] tensors)
    {
        long end = 0;
        IEnumerable<string> entries = tensors.Select(tensor =>
        {
            (long begin, end) = (end, end + tensor.ByteCount());
            return $$"""{{"\""}}{{tensor.Name}}":{"dtype":"F32","shape":[{{string.Join(',', tensor.Shape)}}],"data_offsets":[{{begin}},{{end}}]}""";
        });
        byte[] header = Encoding.UTF8.GetBytes($"{{{string.Join(',', entries)}}}");
        byte[] length = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        using FileStream file = File.Create(path);
        file.Write(length);
        file.Write(header);
        file.SetLength(length.Length + header.Length + end);
    }
}
