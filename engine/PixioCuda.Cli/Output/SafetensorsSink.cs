using System.Runtime.InteropServices;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>One tensor [N, ...] for each kind of feature, as .safetensors with how it was made in the header.</summary>
internal sealed class SafetensorsSink(string path, FeatureFormat format) : IFeatureSink
{
    private const int CopyElements = 1 << 16;

    private readonly List<string> _images = [];
    private readonly List<FailedPicture> _failures = [];
    private IReadOnlyList<FeatureTensor> _rows = format.Rows;

    // The format stores header, then tensor after tensor; the pictures come one after the other, and how many is known in the end. The
    // tensors wait in files that vanish with this process, so that memory does not grow with the number of pictures.
    private FileStream[]? _waiting;

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        if (_waiting is null)
            Begin(tensors);
        for (int i = 0; i < tensors.Count; i++)
        {
            Stack.RequireSameShape(picture, tensors[i], _rows[i].Shape);
            format.RequireRange(picture, tensors[i]);
            _waiting![i].Write(MemoryMarshal.AsBytes(tensors[i].Values.Span));
        }

        _images.Add(picture);
    }

    public void AddFailure(FailedPicture failure) => _failures.Add(failure);

    public void Complete()
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            _rows.Select(row => new TensorInfo(row.Name, format.DType, [_images.Count, .. row.Shape.Select(dimension => (long)dimension)])),
            format.Stamp.ToMetadata(_images, _failures));
        float[] block = new float[CopyElements];
        for (int i = 0; i < (_waiting?.Length ?? 0); i++)
        {
            FileStream file = _waiting![i];
            file.Position = 0;
            for (long left = file.Length; left > 0;)
            {
                Span<float> values = block.AsSpan(0, (int)Math.Min(block.Length, left / sizeof(float)));
                file.ReadExactly(MemoryMarshal.AsBytes(values));
                writer.Append(_rows[i].Name, values);
                left -= values.Length * sizeof(float);
            }
        }

        writer.Complete();
    }

    public void Dispose()
    {
        foreach (FileStream file in _waiting ?? [])
            file.Dispose();
    }

    private void Begin(IReadOnlyList<FeatureTensor> tensors)
    {
        _rows = [.. tensors.Select(tensor => tensor with { Values = default })];
        string temporaryPath = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".{Path.GetFileName(path)}");
        FileStreamOptions waiting = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.DeleteOnClose,
            BufferSize = 1 << 16,
        };
        _waiting = [.. tensors.Select(_ => new FileStream($"{temporaryPath}.{Path.GetRandomFileName()}", waiting))];
    }
}
