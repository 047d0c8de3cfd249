using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>One array [N, ...] as .npy, and beside it FILE.npy.json, since the format has no room for how it was made.</summary>
internal sealed class NpySink(string path, FeatureFormat format) : IFeatureSink
{
    private readonly List<string> _images = [];
    private readonly List<FailedPicture> _failures = [];
    private NpyWriter? _writer;
    private IReadOnlyList<int> _shape = [];

    public static string DescriptionOf(string path) => $"{path}.json";

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        FeatureTensor tensor = tensors[0];
        if (_writer is null)
            Begin(tensor.Shape);
        Stack.RequireSameShape(picture, tensor, _shape);
        format.RequireRange(picture, tensor);
        _writer!.Append(tensor.Values.Span);
        _images.Add(picture);
    }

    public void AddFailure(FailedPicture failure) => _failures.Add(failure);

    public void Complete()
    {
        if (_writer is null)
            Begin(format.Rows.Count > 0 ? format.Rows[0].Shape : []);
        using OutputFile description = OutputFile.Create(DescriptionOf(path));
        description.Content.Write(JsonText.BytesOf(json =>
        {
            json.WriteStartObject();
            format.Stamp.Write(json);
            json.WritePropertyName("shape");
            JsonText.WriteShape(json, [_images.Count, .. _shape]);
            json.WritePropertyName("images");
            JsonText.WriteStrings(json, _images);
            json.WritePropertyName("failures");
            JsonText.WriteFailures(json, _failures);
            json.WriteEndObject();
        }).Span);
        description.Content.WriteByte((byte)'\n');
        _writer!.Complete();
        description.Commit();
    }

    public void Dispose() => _writer?.Dispose();

    private void Begin(IReadOnlyList<int> shape)
    {
        _shape = shape;
        _writer = NpyWriter.CreateGrowing(path, format.DType, [.. shape.Select(dimension => (long)dimension)]);
    }
}
