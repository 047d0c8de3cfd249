using System.Globalization;
using PixioCuda.Interop;

/// <summary>Small kernels that the processes of a race all want.</summary>
internal static class ProbeKernels
{
    /// <summary>One kernel of many.</summary>
    /// <param name="index">Which one; another index is another configuration.</param>
    public static KernelSource Source(int index) => new(
        "probe.cu",
        """
        extern "C" __global__ void probe(float* values) { values[threadIdx.x] = values[threadIdx.x] * OFFSET + OFFSET; }
        """,
        [], [new KernelDefine("OFFSET", string.Create(CultureInfo.InvariantCulture, $"{index}.0f"))], "probe", sizeof(ulong));
}
