using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of attention_probabilities.cu and attention_probabilities_f32.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionProbabilitiesArgs
{
    public DevicePointer<byte> Qkv;
    public DevicePointer<uint> Chosen;
    public DevicePointer<float> Probabilities;
    public uint Tokens;
    public uint Heads;
    public float Scale;
}

/// <summary>The attention probabilities of chosen heads on a device, for one shape.</summary>
internal sealed class AttentionProbabilitiesKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly AttentionShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given; its QueryTokens do not matter.</param>
    /// <param name="config">Null for the one of <see cref="SelectConfig"/>.</param>
    public AttentionProbabilitiesKernel(GpuDevice device, AttentionShape shape, AttentionProbabilitiesConfig? config = null)
    {
        shape.Check();
        _device = device;
        _shape = shape;
        Config = config ?? SelectConfig(shape, DeviceLimits.Of(device.Info));
        _kernel = device.LoadKernel(Config.Source);
    }

    public AttentionProbabilitiesConfig Config { get; }

    /// <summary>The configuration for a shape; that of every batch is the same.</summary>
    /// <exception cref="ArgumentException">The shape is not possible.</exception>
    /// <exception cref="NotSupportedException">The kernels are not made for it.</exception>
    public static AttentionProbabilitiesConfig SelectConfig(AttentionShape shape, DeviceLimits device)
    {
        shape.Check();
        int vector = shape.Tokens % 2 == 0 ? 2 : 1;
        if (shape.Element != ElementType.F32)
        {
            int blocksPerSm = AttentionShape.RoundUp(shape.HeadDim, 16) <= 96 ? 3 : 2;
            return new(shape.HeadDim, shape.Element, AttentionTiles.KeyBlock(shape.Tokens, shape.HeadDim), 4, vector, blocksPerSm);
        }

        AttentionProbabilitiesConfig config = new(shape.HeadDim, ElementType.F32, 0, 4, vector, 3);
        int keyBlock = AttentionTiles.FloatKeyBlock(shape.Tokens, device, keys => (config with { KeyBlock = keys }).SharedBytes);
        return config with { KeyBlock = keyBlock };
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="qkv">[Batch, Tokens, 3, Heads, HeadDim], aligned to 16 bytes.</param>
    /// <param name="chosen">[headCount]: the heads that are wanted, each below Heads.</param>
    /// <param name="headCount">How many they are, at least 1.</param>
    /// <param name="probabilities">[Batch, headCount, Tokens, Tokens], aligned to 8 bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">No head is wanted, or more than there are.</exception>
    public void Launch(
        GpuStream stream, DevicePointer<byte> qkv, DevicePointer<uint> chosen, int headCount, DevicePointer<float> probabilities)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(headCount, _shape.Heads);
        AttentionProbabilitiesArgs args = new()
        {
            Qkv = qkv,
            Chosen = chosen,
            Probabilities = probabilities,
            Tokens = (uint)_shape.Tokens,
            Heads = (uint)_shape.Heads,
            Scale = _shape.Scale(base2: _shape.Element != ElementType.F32),
        };
        Dim3 grid = (AttentionShape.CeilDiv(_shape.Tokens, Config.BlockRows), headCount, _shape.Batch);
        _device.Launch(stream, _kernel, new LaunchConfig(grid, Config.Threads, SharedBytes: Config.SharedBytes), args);
    }
}
