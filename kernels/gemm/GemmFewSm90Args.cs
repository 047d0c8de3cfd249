using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of gemm_few_sm90.cu: whole lines of 128 bytes, as tensor maps are aligned.</summary>
[StructLayout(LayoutKind.Sequential, Size = 640)]
internal struct GemmFewSm90Args
{
    public TensorMap A;
    public TensorMap ALast;
    public TensorMap W;
    public TensorMap WLast;
    public DevicePointer<float> Bias;
    public DevicePointer<float> Residual;
    public DevicePointer<byte> C;
    public uint M;
    public uint N;
    public uint K;
    public float Eps;
    public DevicePointer<byte> Moments;
    public DevicePointer<float> RowSums;
    public DevicePointer<byte> Copy;
}
