using PixioCuda.Cpu;
using PixioCuda.Graph;

namespace PixioCuda.Bench.Suites;

/// <summary>Memory, threads and checks for the benchmarks of single CPU kernels.</summary>
public abstract unsafe class StepBench : IDisposable
{
    private AlignedBuffer? _arena;
    private WorkerPool? _pool;
    private long _used;

    internal CpuTarget Target { get; } = new(CpuTarget.WidestVectorBits, Environment.ProcessorCount);

    internal CpuMemory Memory => new(_arena!.Bytes, null, null);

    /// <summary>Stops the threads and frees the memory.</summary>
    public void Dispose()
    {
        _pool?.Dispose();
        _arena?.Dispose();
        GC.SuppressFinalize(this);
    }

    internal void Begin(long byteCount)
    {
        _arena = new AlignedBuffer(byteCount);
        _pool = new WorkerPool(Target.ThreadCount);
        _used = 0;
    }

    internal void Run(CpuStep step) => step.Run(_pool!, Memory);

    internal long Reserve(long byteCount)
    {
        long offset = _used;
        _used += (byteCount + AlignedBuffer.Alignment - 1) / AlignedBuffer.Alignment * AlignedBuffer.Alignment;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_used, _arena!.ByteCount, nameof(byteCount));
        return offset;
    }

    /// <summary>An operand with values between -1 and 1.</summary>
    internal CpuOperand Operand(int rows, int columns, CpuLayout layout, int seed)
    {
        int rowsPadded = layout == CpuLayout.RowMajor ? rows : Target.PadRows(rows);
        long offset = Reserve(OperandByteCount(rows, columns, layout));
        CpuOperand operand = new(TensorStorage.Arena, offset, rowsPadded, columns, layout);
        MatrixView view = operand.In(Memory);
        Random random = new(seed);
        float[] row = new float[columns];
        for (int index = 0; index < rows; index++)
        {
            for (int column = 0; column < columns; column++)
                row[column] = (random.NextSingle() * 2) - 1;
            view.Write(index, 0, row);
        }

        return operand;
    }

    internal long OperandByteCount(int rows, int columns, CpuLayout layout) =>
        (MatrixView.ElementCount(layout == CpuLayout.RowMajor ? rows : Target.PadRows(rows), columns, layout) * sizeof(float)) + AlignedBuffer.Alignment;

    /// <summary>Refuses to measure what is wrong.</summary>
    internal static void Require(double actual, double expected, double tolerance, string what)
    {
        if (!(Math.Abs(actual - expected) <= tolerance * Math.Max(1, Math.Abs(expected))))
            throw new InvalidOperationException($"{what} is {actual}, expected {expected}: not measured.");
    }
}
