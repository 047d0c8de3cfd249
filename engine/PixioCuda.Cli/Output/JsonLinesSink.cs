namespace PixioCuda.Cli.Output;

/// <summary>One JSON object on one line for each picture, whatever its shape.</summary>
internal sealed class JsonLinesSink(string path, RunStamp stamp) : IFeatureSink
{
    private readonly OutputFile _file = OutputFile.Create(path);

    /// <summary>A picture's line, without its end.</summary>
    public static ReadOnlyMemory<byte> Line(RunStamp stamp, string picture, FeatureTensor tensor) => JsonText.BytesOf(json =>
    {
        json.WriteStartObject();
        json.WriteString("image", picture);
        stamp.Write(json);
        json.WritePropertyName("shape");
        JsonText.WriteShape(json, tensor.Shape);
        // Row-major in one list, whatever the shape; last, so that the head of a line is what a person reads.
        json.WritePropertyName("embedding");
        JsonText.WriteValues(json, tensor.Values.Span);
        json.WriteEndObject();
    });

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        _file.Content.Write(Line(stamp, picture, tensors[0]).Span);
        _file.Content.WriteByte((byte)'\n');
    }

    public void Complete() => _file.Commit();

    public void Dispose() => _file.Dispose();
}
