using PixioCuda.Interop;

namespace PixioCuda.Cuda;

/// <summary>What one run at a time needs of a device: a stream, an arena, pinned memory for what goes in and comes out, and the graphs that
/// were captured over them.</summary>
internal sealed unsafe class CudaSession(GpuDevice device) : IDisposable
{
    // Graphs of the plans that were used last; a host that sees pictures of every size must not collect them without end.
    private const int KeptGraphs = 16;

    private readonly GpuStream _stream = device.CreateStream();
    private readonly LinkedList<CapturedGraph> _graphs = new();
    private DeviceMemory<byte>? _arena;
    private DeviceMemory<byte>? _pixels;
    private PinnedMemory<byte>? _input;
    private PinnedMemory<float>? _output;

    // Whether work may be on the stream that nobody has waited for.
    private bool _isBusy;

    /// <summary>Runs an executable, one launch of its graph, and waits for its outputs.</summary>
    /// <param name="executable">What to run.</param>
    /// <param name="input">Pixels as the executable takes them.</param>
    /// <param name="outputs">All outputs end to end.</param>
    public void Run(CudaExecutable executable, EncoderInput input, Span<float> outputs)
    {
        try
        {
            Launch(new GraphKey(executable, input.Tensor is null, ToHost: true), input);
            Settle();
        }
        catch
        {
            Abandon();
            throw;
        }

        new ReadOnlySpan<float>(_output!.Pointer, outputs.Length).CopyTo(outputs);
    }

    /// <summary>Puts a run on the stream, one launch of its graph and a copy within the device for each output, and waits for nothing but an
    /// earlier run that still reads the pinned input.</summary>
    /// <param name="executable">What to run.</param>
    /// <param name="input">Pixels as the executable takes them.</param>
    /// <param name="outputs">Overwritten when the stream comes to it.</param>
    public void Run(CudaExecutable executable, EncoderInput input, DeviceOutputs outputs)
    {
        try
        {
            Launch(new GraphKey(executable, input.Tensor is null, ToHost: false), input);
            outputs.Order.Enter(_stream);
            ReadOnlySpan<DeviceTensor<float>> tensors = outputs.Tensors;
            for (int i = 0; i < tensors.Length; i++)
            {
                CudaOutput output = executable.Outputs[i];
                device.CopyAsync(_stream, _arena!.Pointer[output.ArenaOffset].As<float>(), tensors[i].Memory.As<float>(), output.Length);
            }

            outputs.Order.Leave(_stream);
        }
        catch
        {
            // Whatever is on the stream by now may use the caller's memory, which no event will tell of.
            Abandon();
            throw;
        }
    }

    /// <summary>Does what the first run of an executable does, and runs it once on zeros.</summary>
    /// <param name="executable">What will run.</param>
    /// <param name="onDevice">For input and outputs in device memory, rather than from and to the host's.</param>
    public void Warmup(CudaExecutable executable, bool onDevice)
    {
        GpuGraphExec graph = GraphOf(new GraphKey(executable, !onDevice, !onDevice));
        Settle();
        try
        {
            _isBusy = true;
            if (onDevice)
                device.MemsetAsync(_stream, _pixels!.Pointer, 0, executable.InputByteCount);
            else
                System.Runtime.InteropServices.NativeMemory.Clear(_input!.Pointer, (nuint)executable.InputByteCount);
            graph.Launch(_stream);
            Settle();
        }
        catch
        {
            Abandon();
            throw;
        }
    }

    /// <summary>Lets go of all memory, for who needs it more; the next run takes what it needs.</summary>
    public void ReleaseMemory()
    {
        Abandon();
        ForgetGraphs();
        _arena?.Dispose();
        _pixels?.Dispose();
        _input?.Dispose();
        _output?.Dispose();
        _arena = null;
        _pixels = null;
        _input = null;
        _output = null;
    }

    public void Dispose()
    {
        ReleaseMemory();
        _stream.Dispose();
    }

    private void Launch(GraphKey key, EncoderInput input)
    {
        GpuGraphExec graph = GraphOf(key);
        if (input.Tensor is DeviceTensor tensor)
        {
            _isBusy = true;
            tensor.Order.Enter(_stream);
            device.CopyAsync(_stream, tensor.Memory, _pixels!.Pointer, key.Executable.InputByteCount);
            tensor.Order.Leave(_stream);
        }
        else
        {
            // Pinned memory is read when the copy runs: an earlier run's must be through.
            Settle();
            if (input.Format == PixelFormat.U8)
                input.Bytes.CopyTo(new Span<byte>(_input!.Pointer, input.Bytes.Length));
            else
                input.Values.CopyTo(new Span<float>(_input!.Pointer, input.Values.Length));
            _isBusy = true;
        }

        graph.Launch(_stream);
    }

    /// <summary>Waits for what is on the stream.</summary>
    private void Settle()
    {
        if (!_isBusy)
            return;
        _stream.Synchronize();
        _isBusy = false;
    }

    /// <summary>Waits for what is on the stream, where a failure is known already or nobody is left to be told of it.</summary>
    private void Abandon()
    {
        try
        {
            Settle();
        }
        catch (CudaException)
        {
            // The next run waits again, and says so then.
        }
    }

    /// <summary>Takes the memory and captures the graph that a run needs, so that the run itself only launches.</summary>
    private GpuGraphExec GraphOf(GraphKey key)
    {
        for (LinkedListNode<CapturedGraph>? node = _graphs.First; node is not null; node = node.Next)
        {
            if (node.Value.Key != key)
                continue;
            if (node != _graphs.First)
            {
                _graphs.Remove(node);
                _graphs.AddFirst(node);
            }

            return node.Value.Graph;
        }

        // What is in flight uses the memory and the graphs that may have to go.
        Settle();
        Grow(key);
        GpuGraphExec graph = Capture(key);
        _graphs.AddFirst(new CapturedGraph(key, graph));
        while (_graphs.Count > KeptGraphs)
        {
            _graphs.Last!.Value.Graph.Dispose();
            _graphs.RemoveLast();
        }

        return graph;
    }

    /// <summary>Replaces the buffers that are too small, and only those: shapes of which one needs more memory and the other more output
    /// would otherwise take each other's buffers away for ever. A buffer that could not be allocated is tried again by the next run.</summary>
    private void Grow(GraphKey key)
    {
        CudaExecutable executable = key.Executable;
        bool arena = !(_arena?.Count >= executable.ArenaByteCount), pixels = !(_pixels?.Count >= executable.InputByteCount);
        bool input = key.FromHost && !(_input?.Count >= executable.InputByteCount);
        bool output = key.ToHost && !(_output?.Count >= executable.OutputLength);
        if (!(arena || pixels || input || output))
            return;
        // Captured graphs hold the old addresses.
        ForgetGraphs();
        if (arena)
            Replace(ref _arena, executable.ArenaByteCount, device.Allocate<byte>);
        if (pixels)
            Replace(ref _pixels, executable.InputByteCount, device.Allocate<byte>);
        if (input)
            Replace(ref _input, executable.InputByteCount, device.AllocatePinned<byte>);
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

    private GpuGraphExec Capture(GraphKey key)
    {
        CudaExecutable executable = key.Executable;
        CudaMemory memory = new(_pixels!.Pointer, _arena!.Pointer);
        using GpuGraph graph = _stream.Capture(() =>
        {
            if (key.FromHost)
                device.CopyAsync(_stream, _input!, 0, memory.Pixels, executable.InputByteCount);
            foreach (CudaStep step in executable.Steps)
                step.Launch(_stream, memory);
            if (!key.ToHost)
                return;
            foreach (CudaOutput output in executable.Outputs)
                device.CopyAsync(_stream, memory.Arena[output.ArenaOffset].As<float>(), _output!, output.Offset, output.Length);
        });
        return graph.Instantiate();
    }

    private void ForgetGraphs()
    {
        foreach (CapturedGraph captured in _graphs)
            captured.Graph.Dispose();
        _graphs.Clear();
    }

    /// <summary>What a graph was captured for.</summary>
    /// <param name="Executable">Its launches.</param>
    /// <param name="FromHost">Whether it begins with the copy of the pinned input.</param>
    /// <param name="ToHost">Whether it ends with the copies of the outputs to pinned memory.</param>
    private readonly record struct GraphKey(CudaExecutable Executable, bool FromHost, bool ToHost);

    private sealed record CapturedGraph(GraphKey Key, GpuGraphExec Graph);
}
