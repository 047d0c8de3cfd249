using System.Runtime.InteropServices;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The arguments of the small kernels for sm_90a: <c>struct HopperArgs</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 384)]
internal struct HopperArgs
{
    public TensorMap Load;
    public TensorMap Store;
    public DevicePointer<uint> Input;
    public DevicePointer<uint> Output;
    public uint Count;
}

/// <summary>As <see cref="Snippet"/>, on a device of compute capability 9.0, with a tensor map over each buffer.</summary>
internal sealed class HopperSnippet : IDisposable
{
    public const int WordCount = 1 << 14;

    private static readonly ComputeCapability Hopper = new(9, 0);

    private readonly string _text;

    /// <param name="text">Kernels that take HopperArgs, without the struct and the includes.</param>
    public HopperSnippet(string text)
    {
        _text = $$"""
            #include "cluster.cuh"
            #include "sync.cuh"
            #include "tensor_copy.cuh"
            #include "wgmma.cuh"
            constexpr u32 kThreads = 384;
            constexpr u32 kBlocksPerSm = 1;
            struct HopperArgs {
                TensorMap load, store;
                const u32* input;
                u32* output;
                u32 count;
            };
            {{text}}
            """;
        Device = Emulator.Open(Hopper);
        Stream = Device.CreateStream();
        Input = Device.Allocate<uint>(WordCount);
        Output = Device.Allocate<uint>(WordCount);
        Device.Upload(Input, (ReadOnlySpan<uint>)Enumerable.Range(0, WordCount).Select(i => (uint)i).ToArray());
    }

    public GpuDevice Device { get; }

    public GpuStream Stream { get; }

    /// <summary>Words 0, 1, 2 and so on, unless a test has put others there.</summary>
    public DeviceMemory<uint> Input { get; }

    /// <summary>Never written by the host.</summary>
    public DeviceMemory<uint> Output { get; }

    /// <summary>What the kernel gets as args.load.</summary>
    public TensorMap LoadMap { get; set; }

    /// <summary>What the kernel gets as args.store.</summary>
    public TensorMap StoreMap { get; set; }

    public KernelSource Source(string entry) => Snippet.SourceOf<HopperArgs>(_text, entry);

    /// <summary>A matrix of float32 words with rows of <paramref name="columns"/>, or of as many halves.</summary>
    public TensorMap Map(
        DeviceMemory<uint> memory, TensorMapType type, int columns, int rows, int boxColumns, int boxRows,
        TensorMapSwizzle swizzle = TensorMapSwizzle.None)
        => Device.EncodeTensorMap(
            new TensorMapSpec(
                type, memory.Pointer.Address, [columns, rows], [(long)columns * (type == TensorMapType.Float32 ? 4 : 2)], [boxColumns, boxRows])
            {
                Swizzle = swizzle,
            });

    /// <summary>Puts a kernel on the stream.</summary>
    public void Launch(
        string entry, int threads = 128, int blocks = 1, int cluster = 1, int sharedBytes = 65536, uint count = 0,
        bool programmatic = false, DevicePointer<uint>? input = null, DevicePointer<uint>? output = null)
    {
        HopperArgs args = new()
        {
            Load = LoadMap,
            Store = StoreMap,
            Input = input ?? Input.Pointer,
            Output = output ?? Output.Pointer,
            Count = count,
        };
        LaunchConfig config = new(blocks, threads, cluster == 1 ? null : (Dim3)cluster, sharedBytes, programmatic);
        Device.Launch(Stream, Device.LoadKernel(Source(entry)), config, args);
    }

    /// <summary>Launches a kernel and waits for it.</summary>
    public void Run(string entry, int threads = 128, int blocks = 1, int cluster = 1, int sharedBytes = 65536, uint count = 0)
    {
        Launch(entry, threads, blocks, cluster, sharedBytes, count);
        Stream.Synchronize();
    }

    /// <summary>The first words of the output.</summary>
    public uint[] Words(int count)
    {
        uint[] words = new uint[count];
        Device.Download(Output, words.AsSpan());
        return words;
    }

    /// <summary>Every seed of a dozen must find the mistake, and say so in a sentence with one of these parts.</summary>
    public static void AssertCaught(string text, Action<HopperSnippet> run, params string[] parts)
    {
        Emulator.RequireEmulation();
        for (ulong seed = 1; seed <= 12; seed++)
        {
            Emulator.SetSeed(seed);
            // An error ends the context: each seed has one of its own.
            using HopperSnippet snippet = new(text);
            CudaException exception = Assert.Throws<CudaException>(() => run(snippet));
            Assert.True(parts.Any(part => exception.Message.Contains(part, StringComparison.Ordinal)), $"seed {seed}: {exception.Message}");
        }
    }

    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Stream.Dispose();
        Device.Dispose();
    }
}
