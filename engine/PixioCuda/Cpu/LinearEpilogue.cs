using System.Numerics;

namespace PixioCuda.Cpu;

/// <summary>output = residual + gelu(product + bias), each part where there is one.</summary>
internal readonly unsafe struct LinearEpilogue(float* bias, bool gelu, MatrixView residual, MatrixView output, int panelColumns) : IEpilogue
{
    // bias [n rounded up to whole panels], or null.
    private readonly float* _bias = bias;
    private readonly bool _gelu = gelu;
    private readonly MatrixView _residual = residual;
    private readonly MatrixView _output = output;
    private readonly int _panelColumns = panelColumns;

    public void Store(float* tile, int row, int rows, int column, int columns)
    {
        for (int index = 0; index < rows; index++, tile += _panelColumns)
        {
            for (int lane = 0; lane < _panelColumns; lane += Vector<float>.Count)
            {
                Vector<float> value = Vector.Load(tile + lane);
                if (_bias != null)
                    value += Vector.Load(_bias + column + lane);
                if (_gelu)
                    value = VectorMath.Gelu(value);
                value.Store(tile + lane);
            }

            // A panel never crosses a chunk of the output: 256 is a multiple of its width.
            float* to = _output.At(row + index, column);
            if (_residual.Data == null)
                Copy(tile, to, columns);
            else
                Add(tile, _residual.At(row + index, column), to, columns);
        }
    }

    private static void Copy(float* from, float* to, int count)
    {
        int index = 0;
        for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
            Vector.Load(from + index).Store(to + index);
        for (; index < count; index++)
            to[index] = from[index];
    }

    private static void Add(float* from, float* residual, float* to, int count)
    {
        int index = 0;
        for (; index <= count - Vector<float>.Count; index += Vector<float>.Count)
            (Vector.Load(from + index) + Vector.Load(residual + index)).Store(to + index);
        for (; index < count; index++)
            to[index] = from[index] + residual[index];
    }
}
