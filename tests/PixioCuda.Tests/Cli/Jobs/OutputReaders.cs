using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Schema;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli.Jobs;

/// <summary>What an output holds.</summary>
/// <param name="Ids">Pictures with an embedding, in order.</param>
/// <param name="Embeddings">Theirs.</param>
/// <param name="Failures">Pictures without one, and why.</param>
/// <param name="Stamp">How it was made.</param>
internal sealed record ReadOutput(
    string[] Ids, float[][] Embeddings, (string Id, string Reason)[] Failures, Dictionary<string, string> Stamp);

/// <summary>Reads outputs by the descriptions of their formats, .parquet by Parquet.Net's own reader.</summary>
internal static class OutputReaders
{
    public static ReadOutput Read(string path) => Path.GetExtension(path) switch
    {
        ".npy" => ReadNpy(path),
        ".safetensors" => ReadSafetensors(path),
        ".jsonl" => ReadJsonLines(path),
        _ => ReadParquetAsync(path).GetAwaiter().GetResult(),
    };

    /// <summary>float16 as the standard defines it.</summary>
    public static float FromHalf(ushort bits)
    {
        int exponent = (bits >> 10) & 31, fraction = bits & 1023;
        double magnitude = exponent == 0 ? fraction * Math.Pow(2, -24) : (1024 + fraction) * Math.Pow(2, exponent - 25);
        return (float)((bits & 0x8000) != 0 ? -magnitude : magnitude);
    }

    private static ReadOutput ReadNpy(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int headerLength = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(8));
        Assert.Equal(0, (10 + headerLength) % 64);
        Assert.Equal((byte)'\n', file[10 + headerLength - 1]);
        bool isHalf = Encoding.ASCII.GetString(file, 10, headerLength).Contains("'<f2'", StringComparison.Ordinal);
        (int[] shape, float[] values) = isHalf ? ReadHalfNpy(file, headerLength) : MinimalNpy.Read(path);
        using var json = JsonDocument.Parse(File.ReadAllBytes($"{path}.json"));
        Dictionary<string, string> stamp = json.RootElement.EnumerateObject()
            .Where(entry => entry.Value.ValueKind is JsonValueKind.String or JsonValueKind.True or JsonValueKind.False)
            .ToDictionary(entry => entry.Name, entry => entry.Value.ToString());
        return new ReadOutput(
            Strings(json.RootElement.GetProperty("images")), Rows(values, shape), Failures(json.RootElement.GetProperty("failures")),
                stamp);
    }

    private static (int[] Shape, float[] Values) ReadHalfNpy(byte[] file, int headerLength)
    {
        string header = Encoding.ASCII.GetString(file, 10, headerLength);
        int open = header.IndexOf('(', StringComparison.Ordinal), close = header.IndexOf(')', StringComparison.Ordinal);
        int[] shape = [.. header[(open + 1)..close].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(text => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture))];
        return (shape, Halves(file.AsSpan(10 + headerLength)));
    }

    private static ReadOutput ReadSafetensors(string path)
    {
        StoredTensor tensor = MinimalSafetensors.Read(path)["embeddings"];
        float[] values = tensor.DType == "F16"
            ? Halves(tensor.Bytes)
            : tensor.Floats();
        Dictionary<string, string> metadata = CliData.Metadata(path);
        using var failures = JsonDocument.Parse(metadata.GetValueOrDefault("failures") ?? "[]");
        return new ReadOutput(
            JsonSerializer.Deserialize<string[]>(metadata["images"])!,
            Rows(values, [.. tensor.Shape.Select(dimension => (int)dimension)]), Failures(failures.RootElement), metadata);
    }

    private static ReadOutput ReadJsonLines(string path)
    {
        List<string> ids = [];
        List<float[]> embeddings = [];
        List<(string, string)> failures = [];
        Dictionary<string, string> stamp = [];
        foreach (string line in File.ReadLines(path))
        {
            using var json = JsonDocument.Parse(line);
            string id = json.RootElement.GetProperty("image").GetString()!;
            stamp = json.RootElement.EnumerateObject()
                .Where(entry => entry.Name is not ("image" or "error" or "shape" or "embedding"))
                .ToDictionary(entry => entry.Name, entry => entry.Value.ToString());
            if (json.RootElement.TryGetProperty("error", out JsonElement error))
            {
                failures.Add((id, error.GetString()!));
                continue;
            }

            ids.Add(id);
            embeddings.Add(CliData.Floats(json.RootElement.GetProperty("embedding")));
        }

        return new ReadOutput([.. ids], [.. embeddings], [.. failures], stamp);
    }

    private static async Task<ReadOutput> ReadParquetAsync(string path)
    {
        List<string> ids = [];
        List<float[]> embeddings = [];
        List<(string, string)> failures = [];
        using FileStream file = File.OpenRead(path);
        await using ParquetReader reader = await ParquetReader.CreateAsync(file);
        DataField[] fields = reader.Schema.GetDataFields();
        bool isHalf = reader.CustomMetadata["dtype"] == "float16";
        Assert.Equal(["id", isHalf ? "embedding" : "embedding/list/element", "error"], fields.Select(field => field.Path.ToString()));
        for (int index = 0; index < reader.RowGroupCount; index++)
        {
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(index);
            int rows = (int)group.RowCount;
            string[] groupIds = new string[rows], errors = new string[rows];
            await group.ReadAsync(fields[0], groupIds);
            await group.ReadAsync(fields[2], errors);
            float[]?[] groupEmbeddings = isHalf ? await HalfRowsAsync(group, fields[1], rows) : await FloatRowsAsync(group, fields[1], rows);
            for (int row = 0; row < rows; row++)
            {
                Assert.Equal(groupEmbeddings[row] is null, errors[row] is not null);
                if (groupEmbeddings[row] is float[] embedding)
                {
                    ids.Add(groupIds[row]);
                    embeddings.Add(embedding);
                }
                else
                {
                    failures.Add((groupIds[row], errors[row]));
                }
            }
        }

        return new ReadOutput([.. ids], [.. embeddings], [.. failures], reader.CustomMetadata);
    }

    private static async Task<float[]?[]> FloatRowsAsync(ParquetRowGroupReader group, DataField field, int rows)
    {
        int levels = (int)group.GetMetadata(field)!.MetaData!.NumValues;
        float[] values = new float[levels];
        int[] definition = new int[levels], repetition = new int[levels];
        await group.ReadRawAsync<float>(field, values, definition, repetition);
        float[]?[] embeddings = new float[]?[rows];
        int next = 0, level = 0;
        for (int row = 0; row < rows; row++)
        {
            List<float> embedding = [];
            do
            {
                if (definition[level] == 2)
                    embedding.Add(values[next++]);
                level++;
            }
            while (level < levels && repetition[level] > 0);
            embeddings[row] = embedding.Count == 0 ? null : [.. embedding];
        }

        return embeddings;
    }

    private static async Task<float[]?[]> HalfRowsAsync(ParquetRowGroupReader group, DataField field, int rows)
    {
        byte[]?[] bytes = new byte[]?[rows];
        await group.ReadAsync(field, bytes!);
        return [.. bytes.Select(row => row is null ? null : Halves(row))];
    }

    private static float[] Halves(ReadOnlySpan<byte> bytes)
    {
        float[] values = new float[bytes.Length / 2];
        for (int i = 0; i < values.Length; i++)
            values[i] = FromHalf(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]));
        return values;
    }

    private static float[][] Rows(float[] values, int[] shape)
    {
        int length = shape.Skip(1).Aggregate(1, (product, dimension) => product * dimension);
        return [.. Enumerable.Range(0, shape[0]).Select(row => values[(row * length)..((row + 1) * length)])];
    }

    private static string[] Strings(JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetString()!)];

    private static (string, string)[] Failures(JsonElement array) =>
        [.. array.EnumerateArray().Select(failure => (failure.GetProperty("image").GetString()!,
            failure.GetProperty("error").GetString()!))];
}
