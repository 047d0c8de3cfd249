using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of tokens_to_map.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct TokensToMapArgs
{
    public DevicePointer<byte> X;
    public DevicePointer<byte> Y;
    public uint Tokens;
    public uint Patches;
}

/// <summary>[Batch, Tokens, Columns] -> [Batch, Columns, Patches]: the last Patches tokens as planes.</summary>
internal readonly record struct TokensToMapShape(int Batch, int Tokens, int Patches, int Columns, ElementType Input, ElementType Output);

/// <summary>The tunables of tokens_to_map.cu.</summary>
internal sealed record TokensToMapConfig(int Columns, ElementType Input, ElementType Output, int Vector, int PlaneVector) : IKernelConfig
{
    public const int TilePatches = 32;

    public KernelSource Source => KernelText.Source<TokensToMapArgs>(
        "tokens_to_map", new("INPUT", Input.DeviceName()), new("OUTPUT", Output.DeviceName()), new("COLUMNS", $"{Columns}"),
        new("VECTOR", $"{Vector}"), new("PLANE_VECTOR", $"{PlaneVector}"));

    public int Threads => 256;

    public int TileChannels => 32 * Vector;

    public int SharedBytes => TilePatches * TileChannels * sizeof(float);

    // Four blocks of 256 threads on a multiprocessor.
    public int RegisterBudget => 64;

    public IReadOnlyList<string> RequiredInstructions =>
        [.. PoolInstructions.Of(Input, Input, Vector).Take(1), .. PoolInstructions.Of(Output, Output, PlaneVector).Skip(1)];

    /// <summary>What a launch moves: every patch once in and out.</summary>
    public KernelWork Work(TokensToMapShape shape)
    {
        long elements = (long)shape.Batch * shape.Patches * Columns;
        long read = elements * Input.ByteCount(), written = elements * Output.ByteCount();
        return new KernelWork(read, written, 0, read + written);
    }
}

/// <summary>The patches of every picture as planes.</summary>
internal sealed class TokensToMapKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly TokensToMapShape _shape;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    public TokensToMapKernel(GpuDevice device, TokensToMapShape shape)
    {
        _device = device;
        _shape = shape;
        Config = SelectConfig(shape);
        _kernel = device.LoadKernel(Config.Source);
    }

    public TokensToMapConfig Config { get; }

    /// <summary>The configuration for a shape: the widest accesses that its rows and planes allow, up to four elements.</summary>
    /// <exception cref="ArgumentException">There are fewer tokens than patches.</exception>
    public static TokensToMapConfig SelectConfig(TokensToMapShape shape)
    {
        if (shape.Columns < 1 || shape.Patches < 0 || shape.Patches > shape.Tokens)
            throw new ArgumentException($"{shape} asks for patches that are not there.", nameof(shape));
        // Four of either: more would let a tile grow beyond what four blocks of a multiprocessor can share.
        int vector = VectorWidth.Widest(shape.Columns, ElementType.F32, ElementType.F32);
        int planeVector = VectorWidth.Widest(shape.Patches, ElementType.F32, ElementType.F32);
        return new TokensToMapConfig(shape.Columns, shape.Input, shape.Output, vector, planeVector);
    }

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="x">[Batch, Tokens, Columns] of the input type.</param>
    /// <param name="y">[Batch, Columns, Patches] of the output type.</param>
    public void Launch(GpuStream stream, DevicePointer<byte> x, DevicePointer<byte> y)
    {
        if (_shape.Batch == 0 || _shape.Patches == 0)
            return;
        TokensToMapArgs args = new() { X = x, Y = y, Tokens = (uint)_shape.Tokens, Patches = (uint)_shape.Patches };
        int patchTiles = (_shape.Patches + TokensToMapConfig.TilePatches - 1) / TokensToMapConfig.TilePatches;
        int channelTiles = (_shape.Columns + Config.TileChannels - 1) / Config.TileChannels;
        Dim3 grid = (patchTiles, channelTiles, _shape.Batch);
        _device.Launch(stream, _kernel, new LaunchConfig(grid, Config.Threads, SharedBytes: Config.SharedBytes), args);
    }
}
