using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Checkpoints larger than the memory that loading them may take, as sparse files, on a device that keeps no bytes but a digest of
/// which of them came where.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class LargeCheckpointTests
{
    private const long MostHostBytes = 1L << 30;

    private static readonly string Probe = Path.Combine(
        AppContext.BaseDirectory.Replace("PixioCuda.Cuda.Tests", "PixioCuda.CudaProbe", StringComparison.Ordinal), "PixioCuda.CudaProbe");

    [Fact]
    public void Four_layers_of_5B_load_within_the_ring() => Load(layers: 4, fileByteCount: 1_700_000_000);

    [Fact(Explicit = true)]
    public void All_21_8_GB_of_5B_load_within_the_ring() => Load(layers: 48, fileByteCount: 21_700_000_000);

    /// <summary>The host's side of a load that folds: what it reads, pins and launches, in bounded memory. Matrices are converted and folded by
    /// kernels, which cannot write into a digest and so do nothing here, where vectors alone come to their places; that kernels fold what
    /// they should is shown by <see cref="FoldedLoadTests"/>.</summary>
    [Fact]
    public void Four_layers_of_5B_whose_norms_are_folded_load_within_the_ring() => Load(layers: 4, fileByteCount: 1_700_000_000, folds: true);

    [Fact(Explicit = true)]
    public void All_21_8_GB_of_5B_whose_norms_are_folded_load_within_the_ring()
        => Load(layers: 48, fileByteCount: 21_700_000_000, folds: true);

    private static void Load(int layers, long fileByteCount, bool folds = false)
    {
        Emulator.RequireEmulation();
        PixioConfig config = PixioPresets.Get("vit5b16") with { HiddenLayers = layers, OutIndices = [layers] };
        string folder = Directory.CreateTempSubdirectory("pixio-sparse-").FullName;
        try
        {
            Dictionary<string, (long ByteCount, bool IsMatrix, ulong First, ulong Last)> planted = WriteSparse(folder, config);
            Assert.InRange(new FileInfo(Path.Combine(folder, "model.safetensors")).Length, fileByteCount, fileByteCount + 200_000_000);
            long digested = planted.Values.Sum(tensor => tensor.ByteCount);
            Assert.Equal(config.ParameterCount * sizeof(float), digested);
            if (folds)
            {
                // All but what is multiplied with.
                foreach ((string name, _) in planted.Where(tensor => tensor.Value.IsMatrix).ToArray())
                {
                    digested -= planted[name].ByteCount;
                    planted.Remove(name);
                }
            }

            string[][] lines = [.. RunProbe(folds ? "fold" : "load", folder).Select(line => line.Split(' '))];

            ulong expected = 0;
            foreach (string[] line in lines.Where(line => line[0] == "tensor"))
            {
                (long byteCount, _, ulong first, ulong last) = planted[line[1]];
                ulong place = ulong.Parse(line[2], CultureInfo.InvariantCulture);
                expected += (first * Weight(place / 8)) + (last * Weight((place + (ulong)byteCount - 8) / 8));
                planted.Remove(line[1]);
            }

            Assert.Empty(planted);
            // Every norm1 but the first block's, and every norm2 but the last one's.
            Assert.Equal($"{(folds ? 2 * (layers - 1) : 0)}", lines.Single(line => line[0] == "folded")[1]);
            Assert.Equal([$"{expected}", $"{digested}"], lines.Single(line => line[0] == "digest")[1..]);
            long peak = long.Parse(lines.Single(line => line[0] == "peak")[1], CultureInfo.InvariantCulture);
            TestContext.Current.SendDiagnosticMessage(string.Create(CultureInfo.InvariantCulture,
                $"{fileByteCount:N0} bytes in {lines.Single(line => line[0] == "seconds")[1]} s; the process's peak was {peak:N0} bytes"));
            Assert.InRange(peak, 1, MostHostBytes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A checkpoint of zeros but for the first and the last eight bytes of every tensor.</summary>
    private static Dictionary<string, (long ByteCount, bool IsMatrix, ulong First, ulong Last)> WriteSparse(string folder, PixioConfig config)
    {
        PixioConfigJson.Save(config, Path.Combine(folder, "config.json"));
        using MemoryStream header = new();
        Dictionary<string, (long ByteCount, bool IsMatrix, ulong First, ulong Last)> planted = [];
        Random random = new(21);
        long end = 0;
        using (Utf8JsonWriter json = new(header))
        {
            json.WriteStartObject();
            foreach (TensorInfo tensor in HuggingFaceNames.EncoderTensors(config))
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", "F32");
                json.WriteStartArray("shape");
                foreach (long dimension in tensor.Shape)
                    json.WriteNumberValue(dimension);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(end);
                json.WriteNumberValue(end += tensor.ElementCount * sizeof(float));
                json.WriteEndArray();
                json.WriteEndObject();
                bool isMatrix = tensor.Name.EndsWith(".weight", StringComparison.Ordinal) && tensor.Shape.Count is 2 or 4;
                planted.Add(
                    tensor.Name, (tensor.ElementCount * sizeof(float), isMatrix, (ulong)random.NextInt64(), (ulong)random.NextInt64()));
            }

            json.WriteEndObject();
        }

        byte[] text = [.. header.ToArray(), .. Encoding.ASCII.GetBytes(new string(' ', (int)((8 - (header.Length % 8)) % 8)))];
        using SafeFileHandle file = File.OpenHandle(Path.Combine(folder, "model.safetensors"), FileMode.CreateNew, FileAccess.Write);
        Write(0, (ulong)text.Length);
        RandomAccess.Write(file, text, 8);
        long start = 8 + text.Length;
        foreach ((long byteCount, _, ulong first, ulong last) in planted.Values)
        {
            Write(start, first);
            Write((start += byteCount) - 8, last);
        }

        return planted;

        void Write(long offset, ulong word)
        {
            byte[] bytes = new byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, word);
            RandomAccess.Write(file, bytes, offset);
        }
    }

    private static string[] RunProbe(string command, string folder)
    {
        ProcessStartInfo start = new(Probe, [command, folder]) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (command == "fold")
            start.Environment["PIXIO_EMULATOR_IDLE"] = "1";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>What the emulated device's digest counts a word by (tests/emulator/runtime/device_memory.cpp).</summary>
    private static ulong Weight(ulong word)
    {
        ulong z = unchecked((word + 1) * 0x9E3779B97F4A7C15);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return (z ^ (z >> 31)) | 1;
    }
}
