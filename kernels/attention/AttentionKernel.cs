using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of attention.cu and attention_f32.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionArgs
{
    public DevicePointer<byte> Qkv;
    public DevicePointer<byte> Context;
    public uint Tokens;
    public uint QueryTokens;
    public uint Heads;
    public float Scale;
}

/// <summary>Attention on a device, for one shape.</summary>
internal sealed class AttentionKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly AttentionShape _shape;
    private readonly LaunchConfig _launch;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    /// <param name="config">Null for the one of <see cref="SelectConfig"/>.</param>
    public AttentionKernel(GpuDevice device, AttentionShape shape, AttentionConfig? config = null)
    {
        shape.Check();
        _device = device;
        _shape = shape;
        Config = config ?? SelectConfig(shape, DeviceLimits.Of(device.Info));
        // Those by warpgroups wait for the kernel in front of them themselves.
        _launch = new LaunchConfig((Config.QueryBlocks(shape), shape.Heads, shape.Batch), Config.Threads, SharedBytes: Config.SharedBytes,
            Programmatic: Config is WarpgroupAttentionConfig);
        _kernel = device.LoadKernel(Config.Source);
    }

    public AttentionConfig Config { get; }

    /// <summary>The configuration for a shape. A picture's bits are the same in every one that batch and query tokens may lead
    /// to.</summary>
    /// <exception cref="ArgumentException">The shape is not possible.</exception>
    /// <exception cref="NotSupportedException">The kernels are not made for it.</exception>
    public static AttentionConfig SelectConfig(AttentionShape shape, DeviceLimits device)
    {
        shape.Check();
        if (shape.Element == ElementType.F32)
            return SelectFloat(shape, device);
        return WarpgroupAttentionConfig.Serves(shape, device) ? WarpgroupAttentionTiles.Select(shape, device) : SelectHalf(shape, device);
    }

    private static WarpAttentionConfig SelectHalf(AttentionShape shape, DeviceLimits device)
    {
        (int warps, int rowTiles, int blocksPerSm) = AttentionTiles.QueryTiles(shape, device);
        int keyBlock = AttentionTiles.KeyBlock(shape.Tokens, shape.HeadDim);
        WarpAttentionConfig config = new(shape.HeadDim, shape.Element, keyBlock, warps, rowTiles, 3, blocksPerSm);
        // A third stage hides more of the way from memory, where as many blocks stay resident with it.
        bool third = AttentionShape.CeilDiv(shape.Tokens, keyBlock) >= 3 && AttentionTiles.Fit(device, config.SharedBytes) >= blocksPerSm;
        return third ? config : config with { Stages = 2 };
    }

    private static WarpAttentionConfig SelectFloat(AttentionShape shape, DeviceLimits device)
    {
        // Registers bind: context and its part of a block are 32 for each 16 columns of a lane's 4 rows.
        WarpAttentionConfig config = new(shape.HeadDim, ElementType.F32, 0, 4, 1, 2, shape.HeadDim <= 64 ? 3 : 2);
        int keyBlock = AttentionTiles.FloatKeyBlock(shape.Tokens, device, keys => (config with { KeyBlock = keys }).SharedBytes);
        return config with { KeyBlock = keyBlock };
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="qkv">[Batch, Tokens, 3, Heads, HeadDim], aligned to 16 bytes.</param>
    /// <param name="context">[Batch, QueryTokens, Heads, HeadDim], aligned to 16 bytes.</param>
    public void Launch(GpuStream stream, DevicePointer<byte> qkv, DevicePointer<byte> context)
    {
        float scale = _shape.Scale(base2: _shape.Element != ElementType.F32);
        if (Config is WarpgroupAttentionConfig warpgroups)
        {
            _device.Launch(stream, _kernel, _launch, new WarpgroupAttentionArgs
            {
                Queries = AttentionMaps.Queries(_device, _shape, qkv),
                Keys = AttentionMaps.Keys(_device, _shape, qkv, warpgroups.KeyBoxRows),
                Context = AttentionMaps.Context(_device, _shape, context),
                Tokens = (uint)_shape.Tokens,
                QueryTokens = (uint)_shape.QueryTokens,
                Heads = (uint)_shape.Heads,
                Scale = scale,
            });
            return;
        }

        _device.Launch(stream, _kernel, _launch, new AttentionArgs
        {
            Qkv = qkv,
            Context = context,
            Tokens = (uint)_shape.Tokens,
            QueryTokens = (uint)_shape.QueryTokens,
            Heads = (uint)_shape.Heads,
            Scale = scale,
        });
    }
}
