using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>Three numbers, one for each channel.</summary>
[InlineArray(3)]
internal struct PerChannel
{
    private float _first;
}

/// <summary>The argument struct of resize_columns.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResizeColumnsArgs
{
    public DevicePointer<byte> Rows;
    public DevicePointer<int> First;
    public DevicePointer<int> Count;
    public DevicePointer<int> Weights;
    public DevicePointer<byte> Output;
    public double Factor;
    public PerChannel Mean;
    public PerChannel Deviation;
    public uint InputStart;
    public uint Pitch;
    public uint Width;
    public uint Size;
    public uint WeightStride;
}

/// <summary>What becomes of bytes that are made into pixel values: (float32(byte * Factor) - Mean) / Deviation.</summary>
/// <param name="Factor">1 to leave bytes as they are.</param>
/// <param name="Mean">Of each channel.</param>
/// <param name="Deviation">Of each channel.</param>
internal sealed record PixelNormalization(double Factor, IReadOnlyList<float> Mean, IReadOnlyList<float> Deviation)
{
    public static PixelNormalization None { get; } = new(1, [0, 0, 0], [1, 1, 1]);
}

/// <summary>The tunables of resize_columns.cu.</summary>
/// <param name="Planes">Whether the result is normalised float32 [3, height, width] instead of bytes [height, width, 3].</param>
internal sealed record ResizeColumnsConfig(bool Planes) : IKernelConfig
{
    /// <summary>Pixels of a row that a block makes.</summary>
    public const int Pixels = 128;

    public KernelSource Source => KernelText.Source<ResizeColumnsArgs>("resize_columns", new KernelDefine("OUTPUT", Planes ? "f32" : "u8"));

    public int Threads => 96;

    public int SharedBytes => Planes ? 3 * Pixels : 0;

    // Eight blocks of 96 threads on a multiprocessor.
    public int RegisterBudget => 80;

    public IReadOnlyList<string> RequiredInstructions => Planes ? ["div.rn.f32", "mul.f64"] : ["st.global.u32"];

    /// <summary>What a launch moves: for every row of the result all rows that it takes, and for each warp the weights.</summary>
    public KernelWork Work(ResizeAxis vertical, int width)
    {
        const int Sector = 32;
        long pitch = ResizeRowsConfig.Pitch(width), blocks = (width + Pixels - 1) / Pixels, warps = blocks * Threads / 32;
        long read = (vertical.WeightCount * pitch) + (warps * Sector * (vertical.WeightCount + (2L * vertical.Size)));
        // Rows that are no whole words are written byte by byte, each access touching its sectors anew.
        long written = Planes ? 12L * width * vertical.Size : 3L * width * vertical.Size * (3 * width % 4 == 0 ? 1 : 4);
        long used = pitch * (vertical.InputEnd - vertical.InputStart);
        return new KernelWork(read, written, 6.0 * width * vertical.WeightCount, used + (width * (Planes ? 12L : 3L) * vertical.Size));
    }
}

/// <summary>The vertical pass of a resize.</summary>
internal sealed class ResizeColumnsKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="planes">As <see cref="ResizeColumnsConfig.Planes"/>.</param>
    public ResizeColumnsKernel(GpuDevice device, bool planes)
    {
        _device = device;
        Config = new ResizeColumnsConfig(planes);
        _kernel = device.LoadKernel(Config.Source);
    }

    public ResizeColumnsConfig Config { get; }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="rows">What <see cref="ResizeRowsKernel"/> made, from the axis' first input row on.</param>
    /// <param name="width">Of the result.</param>
    /// <param name="vertical">The rows of the result.</param>
    /// <param name="normalization">For planes.</param>
    /// <param name="output">[height, width, 3] bytes, or [3, height, width] float32.</param>
    public void Launch(
        GpuStream stream, DevicePointer<byte> rows, int width, in ResizeAxisTable vertical, PixelNormalization normalization,
        DevicePointer<byte> output)
    {
        ResizeColumnsArgs args = new()
        {
            Rows = rows,
            First = vertical.First,
            Count = vertical.Count,
            Weights = vertical.Weights,
            Output = output,
            Factor = normalization.Factor,
            InputStart = (uint)vertical.InputStart,
            Pitch = (uint)ResizeRowsConfig.Pitch(width),
            Width = (uint)width,
            Size = (uint)vertical.Size,
            WeightStride = (uint)vertical.Stride,
        };
        for (int channel = 0; channel < 3; channel++)
            (args.Mean[channel], args.Deviation[channel]) = (normalization.Mean[channel], normalization.Deviation[channel]);
        _device.Launch(
            stream, _kernel,
            new LaunchConfig(
                ((width + ResizeColumnsConfig.Pixels - 1) / ResizeColumnsConfig.Pixels, vertical.Size), Config.Threads,
                SharedBytes: Config.SharedBytes),
            args);
    }
}
