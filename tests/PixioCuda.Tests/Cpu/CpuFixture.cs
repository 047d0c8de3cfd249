using PixioCuda.Cpu;
using PixioCuda.Graph;
using Xunit;

namespace PixioCuda.Tests.Cpu;

/// <summary>Makes the same step for any micro-kernel.</summary>
internal interface IStepFactory
{
    CpuStep Create<TKernel, TVector>(CpuTarget target)
        where TKernel : IMicroKernel
        where TVector : struct, IFloatVector<TVector>;
}

/// <summary>Memory, threads and operands for a single step.</summary>
internal sealed unsafe class CpuFixture(int vectorBits, int threads) : IDisposable
{
    private const long Capacity = 64 << 20;

    private readonly AlignedBuffer _arena = new(Capacity);
    private readonly WorkerPool _pool = new(threads);
    private long _used;

    public static TheoryData<int> VectorWidths => [.. new[] { 128, 256, 512 }.Where(bits => bits <= CpuTarget.WidestVectorBits)];

    public CpuTarget Target { get; } = new(vectorBits, threads);

    public static AlignedBuffer Buffer(float[] values, int length)
    {
        AlignedBuffer buffer = new(length * sizeof(float));
        Span<float> floats = new(buffer.Floats, length);
        floats.Clear();
        values.CopyTo(floats);
        return buffer;
    }

    /// <summary>Takes memory whose content is not a number, so that whoever reads what nobody wrote is found out.</summary>
    public long Reserve(long byteCount)
    {
        long offset = _used;
        _used += (byteCount + AlignedBuffer.Alignment - 1) / AlignedBuffer.Alignment * AlignedBuffer.Alignment;
        Assert.True(_used <= Capacity);
        new Span<float>(_arena.Bytes + offset, (int)((_used - offset) / sizeof(float))).Fill(float.NaN);
        return offset;
    }

    public CpuOperand Put(float[] values, int rows, int rowsPadded, int columns, CpuLayout layout)
    {
        long offset = Reserve(MatrixView.ElementCount(rowsPadded, columns, layout) * sizeof(float));
        CpuOperand operand = new(TensorStorage.Arena, offset, rowsPadded, columns, layout);
        MatrixView view = operand.In(Memory);
        for (int row = 0; row < rows; row++)
            view.Write(row, 0, values.AsSpan(row * columns, columns));
        return operand;
    }

    public float[] Get(CpuOperand operand, int rows)
    {
        MatrixView view = operand.In(Memory);
        float[] values = new float[rows * view.Columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < view.Columns; column++)
                values[(row * view.Columns) + column] = *view.At(row, column);
        }

        return values;
    }

    public void Run(CpuStep step) => step.Run(_pool, Memory);

    public void Run<TFactory>(TFactory factory)
        where TFactory : IStepFactory => Run(vectorBits switch
        {
            512 => factory.Create<MicroKernel512, FloatVector512>(Target),
            256 => factory.Create<MicroKernel256, FloatVector256>(Target),
            _ => factory.Create<MicroKernel128, FloatVector128>(Target),
        });

    public void Dispose()
    {
        _pool.Dispose();
        _arena.Dispose();
    }

    private CpuMemory Memory => new(_arena.Bytes, null, null);
}
