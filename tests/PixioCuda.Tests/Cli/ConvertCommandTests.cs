using System.Text.Json;
using PixioCuda.Tests.Weights;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

public sealed class ConvertCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Pth => TestData.Path("tiny", "pixio_tiny.pth");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_pth_becomes_the_hugging_face_folder_of_the_same_model()
    {
        PixioRun run = PixioRun.Of("convert", Pth, _folder.File("out"));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal(["config.json", "model.safetensors", "preprocessor_config.json"],
            Directory.GetFileSystemEntries(_folder.File("out")).Select(Path.GetFileName).Order());

        Dictionary<string, StoredTensor> expected = MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors"));
        Dictionary<string, StoredTensor> written = MinimalSafetensors.Read(_folder.File("out/model.safetensors"));
        Assert.Equal(expected.Keys.Order(), written.Keys.Order());
        Assert.All(expected, tensor => Assert.Equal(tensor.Value.Bytes, written[tensor.Key].Bytes));
        Assert.All(expected, tensor => Assert.Equal(tensor.Value.Shape, written[tensor.Key].Shape));
        Assert.Equal(PixioConfigJson.Load(TestData.Path("tiny", "config.json")), PixioConfigJson.Load(_folder.File("out/config.json")));
        Assert.Equal("pt", CliData.Metadata(_folder.File("out/model.safetensors"))["format"]);
        Assert.Equal(File.ReadAllBytes(TestData.Path("tiny", "preprocessor_config.json")),
            File.ReadAllBytes(_folder.File("out/preprocessor_config.json")));
    }

    [Theory]
    [InlineData("tiny", "bf16", DType.BF16)]
    [InlineData("tiny", "f16", DType.F16)]
    [InlineData("tiny-f16", "f32", DType.F32)]
    [InlineData("tiny-f16", "bf16", DType.BF16)]
    [InlineData("tiny-bf16", "stored", DType.BF16)]
    public void Tensors_are_rounded_once_to_the_type_asked_for(string model, string name, DType dtype)
    {
        Assert.Equal(0, PixioRun.Of("convert", TestData.Path(model), _folder.File("out"), "--dtype", name).ExitCode);
        using ITensorSource before = Checkpoint.Open(TestData.Path(model)), after = Checkpoint.Open(_folder.File("out"));
        foreach (TensorInfo tensor in before.Tensors.Values)
        {
            Assert.Equal(dtype, after.Tensors[tensor.Name].DType);
            float[] values = new float[tensor.ElementCount];
            before.ReadFloats(tensor, 0, values);
            byte[] stored = new byte[tensor.ElementCount * dtype.ElementBytes()];
            after.ReadBytes(after.Tensors[tensor.Name], 0, stored);
            Assert.Equal(values.SelectMany(value => Rounded(dtype, value)), stored);
        }
    }

    [Fact]
    public void Shards_are_written_with_an_index_and_load_as_one_file_does()
    {
        using (OpenedModel opened = ModelReference.Open(Pth))
            CheckpointConverter.Convert(opened, _folder.File("out"), dtype: null, shardBytes: 200_000, overwrite: false);
        Assert.True(Directory.GetFiles(_folder.File("out"), "model-*-of-*.safetensors").Length > 2);
        Assert.True(File.Exists(_folder.File("out/model.safetensors.index.json")));

        using PixioModel expected = PixioModel.Load(TestData.Path("tiny")), written = PixioModel.Load(_folder.File("out"));
        Assert.Equal(expected.Embed(CliData.Cat), written.Embed(CliData.Cat));
    }

    [Fact]
    public void What_stands_outside_of_the_encoder_is_left_out_and_counted()
    {
        Dictionary<string, StoredTensor> tensors = MinimalSafetensors.Read(TestData.Path("tiny", "model.safetensors"));
        Directory.CreateDirectory(_folder.File("in"));
        File.Copy(TestData.Path("tiny", "config.json"), _folder.File("in/config.json"));
        TensorInfo head = new("head.weight", DType.F32, [2, 64]);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(_folder.File("in/model.safetensors"),
            [head, .. tensors.Select(tensor => new TensorInfo("pixio." + tensor.Key, DType.F32, tensor.Value.Shape))]))
        {
            writer.Append(head.Name, new float[128]);
            foreach ((string name, StoredTensor tensor) in tensors)
                writer.Append("pixio." + name, tensor.Floats());
            writer.Complete();
        }

        PixioRun run = PixioRun.Of("convert", _folder.File("in"), _folder.File("out"), "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["1 tensor outside of the encoder left out"], run.ErrorLines);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal(1, json.RootElement.GetProperty("tensors_left_out").GetInt32());
        Assert.Equal(tensors.Count, json.RootElement.GetProperty("tensors").GetInt32());
        Assert.Equal(tensors.Keys.Order(), MinimalSafetensors.Read(_folder.File("out/model.safetensors")).Keys.Order());
    }

    [Fact]
    public void A_value_that_the_type_cannot_hold_is_an_error_and_nothing_is_written()
    {
        SynthCommandTests.WriteTiny(_folder.File("in"), seed: 1);
        string path = _folder.File("in/model.safetensors");
        byte[] file = File.ReadAllBytes(path);
        // The last element of the file is the last one of the final LayerNorm's bias.
        BitConverter.TryWriteBytes(file.AsSpan(file.Length - 4), -70_000f);
        File.WriteAllBytes(path, file);

        PixioRun run = PixioRun.Of("convert", _folder.File("in"), _folder.File("out"), "--dtype", "f16");
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("'layernorm.bias'", run.Error, StringComparison.Ordinal);
        Assert.Contains("-70000 at element 23", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.File("out")));
        Assert.Equal(0, PixioRun.Of("convert", _folder.File("in"), _folder.File("out"), "--dtype", "bf16").ExitCode);
    }

    [Fact]
    public void A_folder_with_a_model_is_refused_without_force_and_replaced_with_it()
    {
        string model = SynthCommandTests.WriteTiny(_folder.File("model"), seed: 1, shardBytes: 20_000);
        PixioRun refused = PixioRun.Of("convert", Pth, model);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("--force", Assert.Single(refused.ErrorLines), StringComparison.Ordinal);

        Assert.Equal(0, PixioRun.Of("convert", Pth, model, "--force").ExitCode);
        Assert.Equal(["config.json", "model.safetensors", "preprocessor_config.json"],
            Directory.GetFileSystemEntries(model).Select(Path.GetFileName).Order());
        // A folder may be converted into itself: what is read is replaced only when all of it was read.
        Assert.Equal(0, PixioRun.Of("convert", model, model, "--force", "--dtype", "bf16").ExitCode);
        Assert.Equal([DType.BF16], PixioModelInfo.Open(model).StoredTypes);
    }

    [Fact]
    public void A_link_in_the_folder_is_replaced_and_what_it_points_to_stays()
    {
        string outside = _folder.Write("outside.safetensors", [1, 2, 3]);
        Directory.CreateDirectory(_folder.File("out"));
        File.CreateSymbolicLink(_folder.File("out/model.safetensors"), outside);

        Assert.Equal(0, PixioRun.Of("convert", Pth, _folder.File("out"), "--force").ExitCode);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(outside));
        Assert.Null(new FileInfo(_folder.File("out/model.safetensors")).LinkTarget);
    }

    [Fact]
    public void Random_weights_stay_marked_as_such()
    {
        string model = SynthCommandTests.WriteTiny(_folder.File("model"), seed: 1);
        PixioRun run = PixioRun.Of("convert", model, _folder.File("out"));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("random", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        Assert.True(PixioModelInfo.Open(_folder.File("out")).IsRandom);
    }

    [Fact]
    public void What_is_not_there_or_damaged_is_bad_input_and_leaves_nothing()
    {
        Assert.Equal(3, PixioRun.Of("convert", _folder.File("nowhere"), _folder.File("out")).ExitCode);
        string damaged = _folder.Write("damaged.pth", File.ReadAllBytes(Pth).AsSpan()[..^100]);
        PixioRun run = PixioRun.Of("convert", damaged, _folder.File("out"));
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("damaged.pth", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(2, PixioRun.Of("convert", Pth, damaged).ExitCode);
        Assert.Equal(2, PixioRun.Of("convert", Pth, _folder.File("out"), "--dtype", "int8").ExitCode);
        Assert.False(Directory.Exists(_folder.File("out")));
    }

    [Fact]
    public void What_is_cancelled_leaves_no_folder()
    {
        using CancellationTokenSource cancelled = new();
        Progress progress = new(cancelled);
        Assert.ThrowsAny<OperationCanceledException>(
            () => CheckpointConverter.Convert(Pth, _folder.File("out"), progress: progress, cancellationToken: cancelled.Token));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Root));
        Assert.InRange(progress.Last.WrittenByteCount, 1, progress.Last.TotalByteCount - 1);
        Assert.Equal(4 * 201_344, progress.Last.TotalByteCount);
    }

    private static byte[] Rounded(DType dtype, float value) => dtype switch
    {
        DType.F32 => BitConverter.GetBytes(value),
        DType.F16 => BitConverter.GetBytes((Half)value),
        // To nearest in double precision, where a bfloat16 is a multiple of its last bit; ties to even, as Math.Round does.
        _ => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits((float)RoundedToEightBits(value)) >> 16)),
    };

    private static double RoundedToEightBits(double value)
    {
        if (value == 0)
            return value;
        double unit = Math.Pow(2, Math.Floor(Math.Log2(Math.Abs(value))) - 7);
        return Math.Round(value / unit, MidpointRounding.ToEven) * unit;
    }

    private sealed class Progress(CancellationTokenSource source) : IProgress<CheckpointWriteProgress>
    {
        public CheckpointWriteProgress Last { get; private set; }

        public void Report(CheckpointWriteProgress value)
        {
            Last = value;
            source.Cancel();
        }
    }
}
