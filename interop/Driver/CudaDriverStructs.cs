using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>A device's UUID: 16 bytes in the order in which they are printed.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CUuuid
{
    public fixed byte Bytes[16];
}

/// <summary>A launch: 56 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CUlaunchConfig
{
    public Dim3 Grid;
    public Dim3 Block;
    public uint SharedMemBytes;
    public nint Stream;
    public CUlaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>One attribute of a launch: 72 bytes, of which a union of 64 at offset 8 has the value.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CUlaunchAttribute
{
    [FieldOffset(0)]
    public CUlaunchAttributeID Id;

    /// <summary>For CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION.</summary>
    [FieldOffset(8)]
    public Dim3 ClusterDim;

    /// <summary>For CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION.</summary>
    [FieldOffset(8)]
    public int ProgrammaticStreamSerializationAllowed;
}

/// <summary>A kernel node of a graph (CUDA_KERNEL_NODE_PARAMS_v2): 72 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CUDA_KERNEL_NODE_PARAMS
{
    public nint Function;
    public Dim3 Grid;
    public Dim3 Block;
    public uint SharedMemBytes;
    public void** KernelParams;
    public void** Extra;
    public nint Kernel;
    public nint Context;
}

/// <summary>Why a graph could not be updated: 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CUgraphExecUpdateResultInfo
{
    public int Result;
    public nint ErrorNode;
    public nint ErrorFromNode;
}
