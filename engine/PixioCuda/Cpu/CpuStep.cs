using PixioCuda.Graph;

namespace PixioCuda.Cpu;

/// <summary>One op of a compiled graph.</summary>
internal abstract class CpuStep
{
    /// <summary>Runs the op to its end.</summary>
    public abstract void Run(WorkerPool pool, in CpuMemory memory);
}

/// <summary>Where the tensors of a run are.</summary>
internal readonly unsafe struct CpuMemory(byte* arena, void* input, float* outputs)
{
    public byte* Arena { get; } = arena;

    public float* Input { get; } = (float*)input;

    /// <summary>The same, where pixels come as bytes.</summary>
    public byte* InputBytes => (byte*)Input;

    public float* Outputs { get; } = outputs;
}

/// <summary>A tensor of a compiled graph: where it will be found in a run's memory, and how it lies there.</summary>
internal readonly unsafe struct CpuOperand(TensorStorage storage, long offset, int rowsPadded, int columns, CpuLayout layout)
{
    private readonly TensorStorage _storage = storage;

    // In bytes of the arena, or in elements of the outputs.
    private readonly long _offset = offset;
    private readonly int _rowsPadded = rowsPadded;
    private readonly CpuLayout _layout = layout;

    public int Columns { get; } = columns;

    public MatrixView In(in CpuMemory memory)
    {
        float* data = _storage switch
        {
            TensorStorage.Input => memory.Input,
            TensorStorage.Output => memory.Outputs + _offset,
            _ => (float*)(memory.Arena + _offset),
        };
        return new MatrixView(data, _rowsPadded, Columns, _layout);
    }
}
