using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>One array [N, ...] as .npy, and beside it FILE.npy.json, since the format has no room for how it was made.</summary>
internal sealed class NpySink(string path, IReadOnlyList<string> images, RunStamp stamp) : IFeatureSink
{
    private NpyWriter? _writer;
    private IReadOnlyList<int> _shape = [];

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        FeatureTensor tensor = tensors[0];
        if (_writer is null)
        {
            _shape = tensor.Shape;
            _writer = NpyWriter.Create(path, [images.Count, .. _shape.Select(dimension => (long)dimension)]);
        }

        Stack.RequireSameShape(picture, tensor, _shape);
        _writer.Append(tensor.Values.Span);
    }

    public void Complete()
    {
        using OutputFile description = OutputFile.Create($"{path}.json");
        description.Content.Write(JsonText.BytesOf(json =>
        {
            json.WriteStartObject();
            stamp.Write(json);
            json.WritePropertyName("shape");
            JsonText.WriteShape(json, [images.Count, .. _shape]);
            json.WritePropertyName("images");
            JsonText.WriteStrings(json, images);
            json.WriteEndObject();
        }).Span);
        description.Content.WriteByte((byte)'\n');
        _writer!.Complete();
        description.Commit();
    }

    public void Dispose() => _writer?.Dispose();
}
