using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>The arguments of the small kernels of these tests: <c>struct SnippetArgs</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SnippetArgs
{
    public DevicePointer<uint> Input;
    public DevicePointer<uint> Output;
    public uint Count;
}

/// <summary>A device with a stream and two buffers of words, for small kernels whose text stands in a test.</summary>
internal sealed partial class Snippet : IDisposable
{
    public const int WordCount = 1024;

    private readonly string _text;

    /// <param name="text">Kernels that take SnippetArgs, without the struct and the includes.</param>
    /// <param name="capability">Of the device; null for the first one.</param>
    public Snippet(string text, ComputeCapability? capability = null)
    {
        _text = $$"""
            #include "memory.cuh"
            #include "mma.cuh"
            #include "reduce.cuh"
            #include "sync.cuh"
            constexpr u32 kThreads = 256;
            constexpr u32 kBlocksPerSm = 1;
            struct SnippetArgs {
                const u32* input;
                u32* output;
                u32 count;
            };
            {{text}}
            """;
        Device = Emulator.Open(capability);
        Stream = Device.CreateStream();
        Input = Device.Allocate<uint>(WordCount);
        Output = Device.Allocate<uint>(WordCount);
        Device.Upload(Input, (ReadOnlySpan<uint>)Enumerable.Range(0, WordCount).Select(i => (uint)i).ToArray());
    }

    public GpuDevice Device { get; }

    public GpuStream Stream { get; }

    /// <summary>Words 0, 1, 2 and so on.</summary>
    public DeviceMemory<uint> Input { get; }

    /// <summary>Never written by the host.</summary>
    public DeviceMemory<uint> Output { get; }

    public LoadedKernel Load(string entry) => Device.LoadKernel(Source(entry));

    public KernelSource Source(string entry) => SourceOf<SnippetArgs>(_text, entry);

    /// <summary>A text with what it includes of kernels/include.</summary>
    public static KernelSource SourceOf<TArgs>(string text, string entry)
        where TArgs : unmanaged
    {
        SortedDictionary<string, string> includes = new(StringComparer.Ordinal);
        Visit(text);
        return new KernelSource(
            "snippet.cu", text, [.. includes.Select(pair => new KernelInclude(pair.Key, pair.Value))], [], entry, Unsafe.SizeOf<TArgs>());

        void Visit(string source)
        {
            foreach (Match match in IncludeLine().Matches(source))
            {
                string name = match.Groups[1].Value;
                if (name != "emulator.h" && includes.TryAdd(name, KernelText.Read(name)))
                    Visit(includes[name]);
            }
        }
    }

    /// <summary>Launches a kernel and waits for it.</summary>
    public void Run(
        string entry, int threads = 64, int blocks = 1, int sharedBytes = 4096, uint count = 0, DevicePointer<uint>? input = null,
        DevicePointer<uint>? output = null)
    {
        SnippetArgs args = new() { Input = input ?? Input.Pointer, Output = output ?? Output.Pointer, Count = count };
        Device.Launch(Stream, Load(entry), new LaunchConfig(blocks, threads, SharedBytes: sharedBytes), args);
        Stream.Synchronize();
    }

    /// <summary>The first words of the output.</summary>
    public uint[] Words(int count)
    {
        uint[] words = new uint[count];
        Device.Download(Output, words.AsSpan());
        return words;
    }

    /// <summary>Every seed of a dozen must find the kernel's mistake, and say so in a sentence with all of these parts.</summary>
    public static void AssertCaught(string text, string entry, CUresult result, params string[] parts)
        => AssertCaught(text, snippet => snippet.Run(entry), entry, result, parts);

    /// <inheritdoc cref="AssertCaught(string, string, CUresult, string[])"/>
    public static void AssertCaught(string text, Action<Snippet> run, string entry, CUresult result, params string[] parts)
    {
        Emulator.RequireEmulation();
        for (ulong seed = 1; seed <= 12; seed++)
        {
            Emulator.SetSeed(seed);
            // An error ends the context: each seed has one of its own.
            using Snippet snippet = new(text);
            CudaException exception = Assert.Throws<CudaException>(() => run(snippet));
            Assert.True(result == exception.Result, $"seed {seed}: {exception.Message}");
            Assert.Contains($"kernel {entry}, block (", exception.Message, StringComparison.Ordinal);
            foreach (string part in parts)
                Assert.Contains(part, exception.Message, StringComparison.Ordinal);
        }
    }

    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Stream.Dispose();
        Device.Dispose();
    }

    [GeneratedRegex("^#include \"([^\"]+)\"", RegexOptions.Multiline)]
    private static partial Regex IncludeLine();
}
