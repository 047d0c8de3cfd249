using System.Runtime.CompilerServices;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The structs against the sizes and offsets that a C compiler gives those of cuda.h and cublasLt.h 12.4 on a 64-bit
/// system.</summary>
public sealed unsafe class LayoutTests
{
    [Fact]
    public void Structs_have_the_sizes_of_the_headers()
    {
        Assert.Equal(16, sizeof(CUuuid));
        Assert.Equal(12, sizeof(Dim3));
        Assert.Equal(56, sizeof(CUlaunchConfig));
        Assert.Equal(72, sizeof(CUlaunchAttribute));
        Assert.Equal(72, sizeof(CUDA_KERNEL_NODE_PARAMS));
        Assert.Equal(24, sizeof(CUgraphExecUpdateResultInfo));
        Assert.Equal(128, sizeof(TensorMap));
        Assert.Equal(64, sizeof(CublasLtMatmulAlgo));
        Assert.Equal(96, sizeof(CublasLtMatmulHeuristicResult));
        Assert.Equal(8, sizeof(DevicePointer<float>));
        Assert.Equal(256, sizeof(LinuxApi.Statx));
    }

    [Fact]
    public void Fields_lie_where_the_headers_have_them()
    {
        CUlaunchConfig launch = default;
        Assert.Equal(
            [0, 12, 24, 32, 40, 48],
            (long[])[Offset(ref launch, ref launch.Grid), Offset(ref launch, ref launch.Block),
                Offset(ref launch, ref launch.SharedMemBytes),
                Offset(ref launch, ref launch.Stream), (byte*)&launch.Attributes - (byte*)&launch,
                Offset(ref launch, ref launch.AttributeCount)]);

        CUlaunchAttribute attribute = default;
        Assert.Equal(
            [0, 8, 8],
            (long[])[Offset(ref attribute, ref attribute.Id), Offset(ref attribute, ref attribute.ClusterDim),
                Offset(ref attribute, ref attribute.ProgrammaticStreamSerializationAllowed)]);

        CUDA_KERNEL_NODE_PARAMS node = default;
        Assert.Equal(
            [0, 8, 20, 32, 40, 48, 56, 64],
            (long[])[Offset(ref node, ref node.Function), Offset(ref node, ref node.Grid), Offset(ref node, ref node.Block),
                Offset(ref node, ref node.SharedMemBytes), (byte*)&node.KernelParams - (byte*)&node, (byte*)&node.Extra - (byte*)&node,
                Offset(ref node, ref node.Kernel), Offset(ref node, ref node.Context)]);

        CUgraphExecUpdateResultInfo update = default;
        Assert.Equal(
            [0, 8, 16],
            (long[])[Offset(ref update, ref update.Result), Offset(ref update, ref update.ErrorNode),
                Offset(ref update, ref update.ErrorFromNode)]);

        CublasLtMatmulHeuristicResult result = default;
        Assert.Equal(
            [0, 64, 72, 76],
            (long[])[Offset(ref result, ref result.Algorithm), Offset(ref result, ref result.WorkspaceByteCount),
                Offset(ref result, ref result.State),
                Offset(ref result, ref result.WavesCount)]);

        LinuxApi.Statx status = default;
        Assert.Equal([20, 28], (long[])[Offset(ref status, ref status.UserId), Offset(ref status, ref status.Mode)]);
    }

    [Fact]
    public void A_pointer_moves_by_elements_and_refuses_to_leave_the_address_space()
    {
        var pointer = new DevicePointer<double>(0x1000);
        Assert.Equal(0x1018u, pointer[3].Address);
        Assert.Equal(0xFF8u, pointer[-1].Address);
        Assert.Equal(0x1000u, pointer.As<byte>().Address);
        Assert.True(DevicePointer<int>.Null.IsNull);
        Assert.Throws<OverflowException>(() => pointer[long.MaxValue]);
        Assert.Throws<OverflowException>(() => pointer[-0x201]);
    }

    private static long Offset<TStruct, TField>(ref TStruct whole, ref TField field)
        where TStruct : unmanaged
        => (long)Unsafe.ByteOffset(ref Unsafe.As<TStruct, byte>(ref whole), ref Unsafe.As<TField, byte>(ref field));
}
