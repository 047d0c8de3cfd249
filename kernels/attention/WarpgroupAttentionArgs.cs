using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The struct PanelMaps of kernels/include/head_panels.cuh: a matrix of heads in boxes of 64 columns, and of what is left.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PanelMapsArgs
{
    public TensorMap Wide;
    public TensorMap Narrow;
}

/// <summary>The argument struct of attention_resident.cu and attention_streamed.cu. The device aligns it, and with it its size, to a tensor
/// map's 128 bytes.</summary>
[StructLayout(LayoutKind.Sequential, Size = 7 * TensorMap.ByteCount)]
internal struct WarpgroupAttentionArgs
{
    public PanelMapsArgs Queries;
    public PanelMapsArgs Keys;
    public PanelMapsArgs Context;
    public uint Tokens;
    public uint QueryTokens;
    public uint Heads;
    public float Scale;
}

/// <summary>Makes the tensor maps of an attention's operands.</summary>
internal static class AttentionMaps
{
    private const int WideColumns = 64, StoredRows = 16;

    /// <summary>Queries, a tile of 64 rows at a time.</summary>
    public static PanelMapsArgs Queries(GpuDevice device, AttentionShape shape, DevicePointer<byte> qkv)
        => Panels(device, shape, qkv, 3 * shape.Heads * shape.HeadDim, shape.Tokens, WarpgroupAttentionConfig.WarpgroupRows);

    /// <summary>Keys and values.</summary>
    public static PanelMapsArgs Keys(GpuDevice device, AttentionShape shape, DevicePointer<byte> qkv, int boxRows)
        => Panels(device, shape, qkv, 3 * shape.Heads * shape.HeadDim, shape.Tokens, boxRows);

    /// <summary>The context, 16 rows of a warp at a time.</summary>
    public static PanelMapsArgs Context(GpuDevice device, AttentionShape shape, DevicePointer<byte> context)
        => Panels(device, shape, context, shape.Heads * shape.HeadDim, shape.QueryTokens, StoredRows);

    private static PanelMapsArgs Panels(
        GpuDevice device, AttentionShape shape, DevicePointer<byte> matrix, int columns, int tokens, int boxRows)
    {
        int narrow = shape.HeadDim % WideColumns;
        return new PanelMapsArgs
        {
            Wide = shape.HeadDim >= WideColumns ? Map(WideColumns) : default,
            Narrow = narrow != 0 ? Map(narrow) : default,
        };

        TensorMap Map(int boxColumns)
        {
            const int Size = sizeof(ushort);
            long row = (long)columns * Size;
            return device.EncodeTensorMap(new TensorMapSpec(
                shape.Element == ElementType.BF16 ? TensorMapType.BFloat16 : TensorMapType.Float16, matrix.Address,
                [columns, tokens, shape.Batch], [row, row * tokens], [boxColumns, boxRows, 1])
            {
                Swizzle = (boxColumns * Size) switch
                {
                    32 => TensorMapSwizzle.Span32,
                    64 => TensorMapSwizzle.Span64,
                    _ => TensorMapSwizzle.Span128,
                },
            });
        }
    }
}
