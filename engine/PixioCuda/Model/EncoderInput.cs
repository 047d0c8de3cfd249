namespace PixioCuda;

/// <summary>What a run reads: a host's float32 pixel values, a host's bytes, or either of them in memory of the model's CUDA device. Arrays,
/// spans and <see cref="DeviceTensor{T}"/> convert to it by themselves; <see cref="InputShape.Pixels"/> says which of them a plan takes.</summary>
public readonly ref struct EncoderInput
{
    private EncoderInput(ReadOnlySpan<float> values)
    {
        Values = values;
        Length = values.Length;
    }

    private EncoderInput(ReadOnlySpan<byte> bytes)
    {
        Bytes = bytes;
        Length = bytes.Length;
        Format = PixelFormat.U8;
    }

    private EncoderInput(DeviceTensor tensor, PixelFormat format)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Tensor = tensor;
        Length = tensor.Length;
        Format = format;
    }

    /// <summary>How the pixels come.</summary>
    public PixelFormat Format { get; }

    /// <summary>The number of values.</summary>
    public long Length { get; }

    /// <summary>Pixel values in the host's memory.</summary>
    internal ReadOnlySpan<float> Values { get; }

    /// <summary>Bytes in the host's memory.</summary>
    internal ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Either in a device's memory, or null.</summary>
    internal DeviceTensor? Tensor { get; }

    /// <summary>The input of a part of a plan's batch.</summary>
    /// <param name="plan">Whose input this is.</param>
    /// <param name="first">The first picture.</param>
    /// <param name="part">The plan of so many pictures.</param>
    internal EncoderInput Pictures(EncoderPlan plan, int first, EncoderPlan part)
    {
        long start = plan.InputLength / plan.Shape.Batch * first;
        if (Tensor is not null)
            return new EncoderInput(Tensor.Slice(start, [checked((int)part.InputLength)]), Format);
        return Format == PixelFormat.U8
            ? new EncoderInput(Bytes.Slice((int)start, (int)part.InputLength))
            : new EncoderInput(Values.Slice((int)start, (int)part.InputLength));
    }

    /// <summary>Float32 pixel values, copied from the device where they are there.</summary>
    internal ReadOnlySpan<float> ToHost()
    {
        if (Tensor is not DeviceTensor<float> tensor)
            return Values;
        float[] values = new float[tensor.Length];
        tensor.CopyTo(values);
        return values;
    }

    /// <summary>pixel_values [B, C, H, W] in the host's memory.</summary>
    public static implicit operator EncoderInput(ReadOnlySpan<float> values) => new(values);

    /// <summary>pixel_values [B, C, H, W] in the host's memory.</summary>
    public static implicit operator EncoderInput(Span<float> values) => new((ReadOnlySpan<float>)values);

    /// <summary>pixel_values [B, C, H, W] in the host's memory.</summary>
    public static implicit operator EncoderInput(float[]? values) => new((ReadOnlySpan<float>)values);

    /// <summary>Bytes [B, H, W, 3] in the host's memory.</summary>
    public static implicit operator EncoderInput(ReadOnlySpan<byte> bytes) => new(bytes);

    /// <summary>Bytes [B, H, W, 3] in the host's memory.</summary>
    public static implicit operator EncoderInput(Span<byte> bytes) => new((ReadOnlySpan<byte>)bytes);

    /// <summary>Bytes [B, H, W, 3] in the host's memory.</summary>
    public static implicit operator EncoderInput(byte[]? bytes) => new((ReadOnlySpan<byte>)bytes);

    /// <summary>pixel_values [B, C, H, W] in the device's memory.</summary>
    public static implicit operator EncoderInput(DeviceTensor<float> values) => new(values, PixelFormat.F32);

    /// <summary>Bytes [B, H, W, 3] in the device's memory.</summary>
    public static implicit operator EncoderInput(DeviceTensor<byte> bytes) => new(bytes, PixelFormat.U8);
}
