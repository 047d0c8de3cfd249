using System.Text.Json;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>One JSON object on one line for each picture, whatever its shape; one with an error for a picture that failed.</summary>
internal sealed class JsonLinesSink(string path, FeatureFormat format) : IFeatureSink
{
    private readonly OutputFile _file = OutputFile.Create(path);

    /// <summary>A picture's line, without its end.</summary>
    public static ReadOnlyMemory<byte> Line(RunStamp stamp, string picture, FeatureTensor tensor, DType dtype = DType.F32) =>
        JsonText.BytesOf(json =>
        {
            Begin(json, picture, stamp);
            json.WritePropertyName("shape");
            JsonText.WriteShape(json, tensor.Shape);
            // Row-major in one list, whatever the shape; last, so that the head of a line is what a person reads.
            json.WritePropertyName("embedding");
            if (dtype == DType.F16)
                JsonText.WriteHalves(json, tensor.Values.Span);
            else
                JsonText.WriteValues(json, tensor.Values.Span);
            json.WriteEndObject();
        });

    /// <summary>The line of a picture that failed, without its end.</summary>
    public static ReadOnlyMemory<byte> Line(RunStamp stamp, FailedPicture failure) => JsonText.BytesOf(json =>
    {
        Begin(json, failure.Id, stamp);
        json.WriteString("error", failure.Reason);
        json.WriteEndObject();
    });

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        format.RequireRange(picture, tensors[0]);
        WriteLine(Line(format.Stamp, picture, tensors[0], format.DType));
    }

    public void AddFailure(FailedPicture failure) => WriteLine(Line(format.Stamp, failure));

    public void Complete() => _file.Commit();

    public void Dispose() => _file.Dispose();

    private static void Begin(Utf8JsonWriter json, string picture, RunStamp stamp)
    {
        json.WriteStartObject();
        json.WriteString("image", picture);
        stamp.Write(json);
    }

    private void WriteLine(ReadOnlyMemory<byte> line)
    {
        _file.Content.Write(line.Span);
        _file.Content.WriteByte((byte)'\n');
    }
}
