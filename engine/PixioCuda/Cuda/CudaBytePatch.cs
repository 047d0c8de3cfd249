using PixioCuda.Graph;
using PixioCuda.Imaging;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Weights;

namespace PixioCuda.Cuda;

/// <summary>The patch projection for pixels that come as bytes, with rescaling and normalisation folded in, beside the one for float32
/// pixels.</summary>
internal sealed class CudaBytePatch : IDisposable
{
    private const int BlockElements = 1 << 18;

    private readonly DeviceMemory<byte> _weight;
    private readonly DeviceMemory<float> _bias = null!;

    private CudaBytePatch(GpuDevice device, PatchEmbedShape shape)
    {
        _weight = device.Allocate<byte>((long)shape.Columns * shape.WeightPitch * shape.Element.ByteCount());
        try
        {
            _bias = device.Allocate<float>(shape.Columns);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>[d, patch elements up to 16 bytes], in the order of the bytes.</summary>
    public DevicePointer<byte> Weight => _weight.Pointer;

    /// <summary>[d].</summary>
    public DevicePointer<float> Bias => _bias.Pointer;

    /// <summary>In bytes of device memory.</summary>
    public long ByteCount => _weight.ByteCount + _bias.ByteCount;

    /// <summary>Folds a model's patch projection, some rows at a time.</summary>
    /// <param name="source">The weights.</param>
    /// <param name="shape">The patch embedding.</param>
    /// <param name="scale">What is done to the bytes.</param>
    /// <param name="device">Where the result goes.</param>
    /// <param name="cancellationToken">Looked at between the blocks of rows.</param>
    public static CudaBytePatch Load(
        EncoderWeights source, PatchEmbedShape shape, PixelScale scale, GpuDevice device, CancellationToken cancellationToken)
    {
        CudaBytePatch patch = new(device, shape);
        try
        {
            // Float32 rows of whole 16 bytes need no conversion.
            bool isDirect = shape.Element == ElementType.F32 && shape.WeightPitch == shape.PatchElements;
            using DeviceMemory<float> copy = device.Allocate<float>(isDirect ? 0 : (long)shape.Columns * shape.PatchElements);
            float[] bias = Fold(source, shape, scale, device, isDirect ? patch.Weight.As<float>() : copy.Pointer, cancellationToken);
            device.Upload(patch._bias, bias);
            if (isDirect)
                return patch;
            ConvertShape conversion = shape.WeightPitch == shape.PatchElements
                ? ConvertShape.Flat(copy.Count, ElementType.F32, shape.Element)
                : new ConvertShape(shape.Columns, shape.PatchElements, shape.WeightPitch, ElementType.F32, shape.Element);
            using GpuStream stream = device.CreateStream();
            new ConvertKernel(device, ConvertKernel.SelectConfig(conversion)).Launch(stream, conversion, copy.Pointer.As<byte>(), patch.Weight);
            stream.Synchronize();
            return patch;
        }
        catch
        {
            patch.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _weight.Dispose();
        _bias?.Dispose();
    }

    private static float[] Fold(
        EncoderWeights source, PatchEmbedShape shape, PixelScale scale, GpuDevice device, DevicePointer<float> folded,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<TensorInfo> weightParts = source.Parts(new(WeightRole.PatchWeight));
        float[] bias = new float[shape.Columns];
        source.ReadRows(source.Parts(new(WeightRole.PatchBias)), 0, shape.Columns, bias);
        (double[] factors, double[] offsets) = scale.ToLinear();
        int blockRows = Math.Clamp(BlockElements / shape.PatchElements, 1, shape.Columns);
        float[] block = new float[blockRows * shape.PatchElements];
        for (int row = 0; row < shape.Columns; row += blockRows)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int rows = Math.Min(blockRows, shape.Columns - row);
            Span<float> weight = block.AsSpan(0, rows * shape.PatchElements);
            source.ReadRows(weightParts, row, shape.PatchElements, weight);
            (float[] foldedWeight, float[] foldedBias) = BytePatchWeights.Fold(
                weight, bias.AsSpan(row, rows), shape.PatchHeight, shape.PatchWidth, factors, offsets);
            device.Upload(folded[(long)row * shape.PatchElements], foldedWeight.AsSpan());
            foldedBias.CopyTo(bias, row);
        }

        return bias;
    }
}
