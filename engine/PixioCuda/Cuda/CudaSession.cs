using PixioCuda.Interop;

namespace PixioCuda.Cuda;

/// <summary>What one run at a time needs of a device: a stream, an arena, pinned memory for what goes in and comes out, and the graphs that
/// were captured over them.</summary>
internal sealed class CudaSession(GpuDevice device) : IDisposable
{
    // Graphs of the plans that were used last; a host that sees pictures of every size must not collect them without end.
    private const int KeptGraphs = 16;

    private readonly GpuStream _stream = device.CreateStream();
    private readonly LinkedList<(CudaExecutable Executable, GpuGraphExec Graph)> _graphs = new();
    private DeviceMemory<byte>? _arena;
    private DeviceMemory<float>? _pixels;
    private PinnedMemory<float>? _input;
    private PinnedMemory<float>? _output;

    /// <summary>Runs an executable: one launch of its graph.</summary>
    /// <param name="executable">What to run.</param>
    /// <param name="pixels">pixel_values.</param>
    /// <param name="outputs">All outputs end to end.</param>
    public void Run(CudaExecutable executable, ReadOnlySpan<float> pixels, Span<float> outputs)
    {
        GpuGraphExec graph = GraphOf(executable);
        pixels.CopyTo(_input!.Span);
        graph.Launch(_stream);
        _stream.Synchronize();
        _output!.Slice(0, outputs.Length).CopyTo(outputs);
    }

    /// <summary>Takes the memory and captures the graph that a run of the executable needs, so that the run itself only launches.</summary>
    public GpuGraphExec GraphOf(CudaExecutable executable)
    {
        for (LinkedListNode<(CudaExecutable Executable, GpuGraphExec Graph)>? node = _graphs.First; node is not null; node = node.Next)
        {
            if (!ReferenceEquals(node.Value.Executable, executable))
                continue;
            if (node != _graphs.First)
            {
                _graphs.Remove(node);
                _graphs.AddFirst(node);
            }

            return node.Value.Graph;
        }

        Grow(executable);
        GpuGraphExec graph = Capture(executable);
        _graphs.AddFirst((executable, graph));
        while (_graphs.Count > KeptGraphs)
        {
            _graphs.Last!.Value.Graph.Dispose();
            _graphs.RemoveLast();
        }

        return graph;
    }

    public void Dispose()
    {
        ForgetGraphs();
        _arena?.Dispose();
        _pixels?.Dispose();
        _input?.Dispose();
        _output?.Dispose();
        _stream.Dispose();
    }

    /// <summary>Replaces the buffers that are too small, and only those: shapes of which one needs more memory and the other more output
    /// would otherwise take each other's buffers away for ever. A buffer that could not be allocated is tried again by the next run.</summary>
    private void Grow(CudaExecutable executable)
    {
        bool arena = !(_arena?.Count >= executable.ArenaByteCount), pixels = !(_pixels?.Count >= executable.InputLength);
        bool input = !(_input?.Count >= executable.InputLength), output = !(_output?.Count >= executable.OutputLength);
        if (!(arena || pixels || input || output))
            return;
        // Captured graphs hold the old addresses.
        ForgetGraphs();
        if (arena)
            Replace(ref _arena, executable.ArenaByteCount, device.Allocate<byte>);
        if (pixels)
            Replace(ref _pixels, executable.InputLength, device.Allocate<float>);
        if (input)
            Replace(ref _input, executable.InputLength, device.AllocatePinned<float>);
        if (output)
            Replace(ref _output, executable.OutputLength, device.AllocatePinned<float>);
    }

    private static void Replace<T>(ref T? memory, long count, Func<long, T> allocate)
        where T : class, IDisposable
    {
        // The old one goes first: both may not fit.
        memory?.Dispose();
        memory = null;
        memory = allocate(count);
    }

    private GpuGraphExec Capture(CudaExecutable executable)
    {
        CudaMemory memory = new(_pixels!.Pointer, _arena!.Pointer);
        using GpuGraph graph = _stream.Capture(() =>
        {
            device.CopyAsync(_stream, _input!, 0, memory.Pixels, executable.InputLength);
            foreach (CudaStep step in executable.Steps)
                step.Launch(_stream, memory);
            foreach (CudaOutput output in executable.Outputs)
                device.CopyAsync(_stream, memory.Arena[output.ArenaOffset].As<float>(), _output!, output.Offset, output.Length);
        });
        return graph.Instantiate();
    }

    private void ForgetGraphs()
    {
        foreach ((_, GpuGraphExec graph) in _graphs)
            graph.Dispose();
        _graphs.Clear();
    }
}
