using System.Numerics;

namespace PixioCuda.Cpu;

/// <summary>(x - mean) / sqrt(variance + eps) * weight + bias over the last dimension. The mean is taken before the squares, and both in
/// double precision: with the large outliers of trained ViTs, the error of a float32 variance is what the attention scores suffer from.</summary>
internal sealed unsafe class LayerNormStep(
    CpuOperand input, CpuOperand output, AlignedBuffer weight, AlignedBuffer bias, float eps, int batch, int tokens, int firstToken,
    int tokenCount) : CpuStep, IParallelWork
{
    // Small enough to share 264 rows out evenly, large enough for a task to be worth taking.
    private const int RowsPerTask = 8;

    private MatrixView _input;
    private MatrixView _output;

    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        _input = input.In(memory);
        _output = output.In(memory);
        pool.Run(this, ((batch * tokenCount) + RowsPerTask - 1) / RowsPerTask);
    }

    public void Execute(int task, int worker)
    {
        int end = Math.Min((task + 1) * RowsPerTask, batch * tokenCount);
        for (int row = task * RowsPerTask; row < end; row++)
            Normalise(_input.At((row / tokenCount * tokens) + firstToken + (row % tokenCount), 0), row);
    }

    private void Normalise(float* x, int row)
    {
        int columns = _input.Columns;
        double mean = VectorMath.Sum(x, columns) / columns;
        double variance = VectorMath.SumOfSquaredDistances(x, columns, mean) / columns;
        double scale = 1 / Math.Sqrt(variance + eps);
        for (int column = 0; column < columns;)
        {
            int run = _output.RunLength(column);
            NormaliseRun(x + column, mean, scale, weight.Floats + column, bias.Floats + column, _output.At(row, column), run);
            column += run;
        }
    }

    private static void NormaliseRun(float* x, double mean, double scale, float* weight, float* bias, float* y, int count)
    {
        Vector<double> means = new(mean), scales = new(scale);
        int index = 0;
        for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(x + index), out Vector<double> lower, out Vector<double> upper);
            Vector<float> normed = Vector.Narrow((lower - means) * scales, (upper - means) * scales);
            Vector.FusedMultiplyAdd(normed, Vector.Load(weight + index), Vector.Load(bias + index)).Store(y + index);
        }

        for (; index < count; index++)
            y[index] = float.FusedMultiplyAdd((float)((x[index] - mean) * scale), weight[index], bias[index]);
    }
}
