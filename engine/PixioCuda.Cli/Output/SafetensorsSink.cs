using System.Runtime.InteropServices;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Output;

/// <summary>One tensor [N, ...] for each kind of feature, as .safetensors with how it was made in the header.</summary>
internal sealed class SafetensorsSink(string path, IReadOnlyList<string> images, RunStamp stamp) : IFeatureSink
{
    private const int CopyElements = 1 << 18;

    private SafetensorsWriter? _writer;
    private IReadOnlyList<IReadOnlyList<int>> _shapes = [];
    private IReadOnlyList<string> _names = [];

    // The format stores tensor after tensor, the pictures come one after the other: all tensors but the first wait in files that vanish with
    // this process, so that memory does not grow with the number of pictures.
    private FileStream[] _waiting = [];

    public void Add(string picture, IReadOnlyList<FeatureTensor> tensors)
    {
        if (_writer is null)
            Begin(tensors);
        for (int i = 0; i < tensors.Count; i++)
        {
            Stack.RequireSameShape(picture, tensors[i], _shapes[i]);
            if (i == 0)
                _writer!.Append(tensors[i].Name, tensors[i].Values.Span);
            else
                _waiting[i - 1].Write(MemoryMarshal.AsBytes(tensors[i].Values.Span));
        }
    }

    public void Complete()
    {
        float[] block = new float[CopyElements];
        for (int i = 0; i < _waiting.Length; i++)
        {
            FileStream file = _waiting[i];
            file.Position = 0;
            for (long left = file.Length; left > 0;)
            {
                Span<float> values = block.AsSpan(0, (int)Math.Min(block.Length, left / sizeof(float)));
                file.ReadExactly(MemoryMarshal.AsBytes(values));
                _writer!.Append(_names[i + 1], values);
                left -= values.Length * sizeof(float);
            }
        }

        _writer!.Complete();
    }

    public void Dispose()
    {
        _writer?.Dispose();
        foreach (FileStream file in _waiting)
            file.Dispose();
    }

    private void Begin(IReadOnlyList<FeatureTensor> tensors)
    {
        _names = [.. tensors.Select(tensor => tensor.Name)];
        _shapes = [.. tensors.Select(tensor => tensor.Shape)];
        _writer = SafetensorsWriter.Create(
            path,
            tensors.Select(tensor => new TensorInfo(tensor.Name, DType.F32, [images.Count, .. tensor.Shape.Select(dimension => (long)dimension)])),
            stamp.ToMetadata(images));
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        _waiting =
        [
            .. tensors.Skip(1).Select(_ => new FileStream(Path.Combine(folder, $".{Path.GetFileName(path)}.{Path.GetRandomFileName()}"), new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                Options = FileOptions.DeleteOnClose,
            })),
        ];
    }
}
