using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Kernels that may begin before the one in front of them has ended (programmatic dependent launch): what they touch before they
/// have waited must not be that one's, on a stream and in a graph alike.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class DependentLaunchTests
{
    private const string Text = """
        // Adds 1 to `count` words of the input, into the output; mistakes leave something out.
        template <bool kWaits, bool kReadsEarly>
        DEVICE void add_one(const HopperArgs& args) {
            launch_dependents();
            u32 early = kReadsEarly ? args.input[threadIdx.x] : 0;
            if (kWaits) wait_for_dependencies();
            args.output[threadIdx.x] = (kReadsEarly ? early : args.input[threadIdx.x]) + 1;
        }
        KERNEL(add_one_waiting, HopperArgs) { add_one<true, false>(args); }
        KERNEL(add_one_early, HopperArgs) { add_one<true, true>(args); }
        KERNEL(add_one_at_once, HopperArgs) { add_one<false, false>(args); }
        // Waits after it has read what no other kernel writes.
        KERNEL(prefetching, HopperArgs) {
            u32 own = args.input[8192 + threadIdx.x];
            wait_for_dependencies();
            args.output[threadIdx.x] = args.input[threadIdx.x] + own - own + 1;
        }
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_chain_of_kernels_that_wait_gives_what_it_gives_one_after_the_other(bool captured)
    {
        using HopperSnippet snippet = new(Text);
        for (ulong seed = 1; seed <= 8; seed++)
        {
            Emulator.SetSeed(seed);
            Run(snippet, captured, "add_one_waiting", "prefetching", "add_one_waiting", "prefetching");
            Assert.Equal([.. Enumerable.Range(4, 128).Select(i => (uint)i)], snippet.Words(128));
        }
    }

    [Theory]
    [InlineData(false, "add_one_early")]
    [InlineData(true, "add_one_early")]
    [InlineData(false, "add_one_at_once")]
    [InlineData(true, "add_one_at_once")]
    public void Reading_too_early_is_found(bool captured, string entry)
        => HopperSnippet.AssertCaught(
            Text, snippet => Run(snippet, captured, "add_one_waiting", entry), "may not have ended yet (griddepcontrol.wait)");

    [Fact]
    public void A_kernel_that_does_not_wait_lets_its_successor_outrun_its_predecessor()
        => HopperSnippet.AssertCaught(
            """
            KERNEL(fill, HopperArgs) { args.output[threadIdx.x] = 1; }
            KERNEL(idle, HopperArgs) { launch_dependents(); }
            KERNEL(read, HopperArgs) {
                wait_for_dependencies();
                args.output[1024 + threadIdx.x] = args.output[threadIdx.x];
            }
            """,
            snippet =>
            {
                snippet.Launch("fill");
                snippet.Launch("idle", programmatic: true);
                snippet.Launch("read", programmatic: true);
                snippet.Stream.Synchronize();
            },
            "may not have ended yet (griddepcontrol.wait)");

    [Fact]
    public void Without_the_attribute_nothing_begins_early()
    {
        using HopperSnippet snippet = new(Text);
        snippet.Launch("add_one_waiting", programmatic: true);
        snippet.Launch("add_one_at_once", input: snippet.Output.Pointer, output: snippet.Output.Pointer[128]);
        snippet.Stream.Synchronize();
        Assert.Equal([.. Enumerable.Range(2, 128).Select(i => (uint)i)], snippet.Words(256)[128..]);
    }

    /// <summary>Each kernel reads what the one before it wrote: the input's words, then by turns the output's first and second half. The last
    /// one writes the first.</summary>
    private static void Run(HopperSnippet snippet, bool captured, params string[] entries)
    {
        if (!captured)
        {
            LaunchAll();
            snippet.Stream.Synchronize();
            return;
        }

        // Compiled before the capture, in which nothing may be allocated.
        foreach (string entry in entries)
            snippet.Device.LoadKernel(snippet.Source(entry));
        using GpuGraph graph = snippet.Stream.Capture(LaunchAll);
        using GpuGraphExec exec = graph.Instantiate();
        exec.Launch(snippet.Stream);
        snippet.Stream.Synchronize();

        void LaunchAll()
        {
            DevicePointer<uint> input = snippet.Input.Pointer;
            for (int i = 0; i < entries.Length; i++)
            {
                DevicePointer<uint> output = snippet.Output.Pointer[(entries.Length - i) % 2 == 1 ? 0 : 4096];
                // The words behind 8192 belong to nobody but `prefetching`.
                snippet.Launch(entries[i], programmatic: i > 0, input: input, output: output);
                input = output;
            }
        }
    }
}
