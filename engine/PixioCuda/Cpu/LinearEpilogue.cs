using System.Runtime.Intrinsics.X86;

namespace PixioCuda.Cpu;

/// <summary>output = residual + gelu(product + bias), each part where there is one.</summary>
internal readonly unsafe struct LinearEpilogue<TVector>(float* bias, bool gelu, MatrixView residual, MatrixView output, int panelColumns) : IEpilogue
    where TVector : struct, IFloatVector<TVector>
{
    private const int LineLength = AlignedBuffer.Alignment / sizeof(float);

    // bias [n rounded up to whole panels], or null.
    private readonly float* _bias = bias;
    private readonly bool _gelu = gelu;
    private readonly MatrixView _residual = residual;
    private readonly MatrixView _output = output;
    private readonly int _panelColumns = panelColumns;

    public void Prefetch(int row, int rows, int column)
    {
        if (!Sse.IsSupported)
            return;
        for (int index = 0; index < rows; index++)
        {
            float* to = _output.At(row + index, column);
            float* residual = _residual.Data == null ? to : _residual.At(row + index, column);
            for (int lane = 0; lane < _panelColumns; lane += LineLength)
            {
                Sse.Prefetch0(to + lane);
                Sse.Prefetch0(residual + lane);
            }
        }
    }

    public void Store(float* tile, int row, int rows, int column, int columns)
    {
        for (int index = 0; index < rows; index++, tile += _panelColumns)
        {
            // A panel never crosses a chunk of the output: 256 is a multiple of its width.
            float* to = _output.At(row + index, column);
            float* residual = _residual.Data == null ? null : _residual.At(row + index, column);
            if (columns == _panelColumns)
                StoreRow(tile, column, residual, to);
            else
                StorePartOfRow(tile, column, residual, to, columns);
        }
    }

    private void StoreRow(float* tile, int column, float* residual, float* to)
    {
        for (int lane = 0; lane < _panelColumns; lane += TVector.Count)
        {
            TVector value = Finish(tile + lane, column + lane);
            if (residual != null)
                value += TVector.Load(residual + lane);
            value.Store(to + lane);
        }
    }

    /// <summary>A row of the last panel, which is wider than what is left of the output.</summary>
    private void StorePartOfRow(float* tile, int column, float* residual, float* to, int columns)
    {
        for (int lane = 0; lane < _panelColumns; lane += TVector.Count)
            Finish(tile + lane, column + lane).Store(tile + lane);
        for (int lane = 0; lane < columns; lane++)
            to[lane] = residual == null ? tile[lane] : tile[lane] + residual[lane];
    }

    private TVector Finish(float* tile, int column)
    {
        TVector value = TVector.Load(tile);
        if (_bias != null)
            value += TVector.Load(_bias + column);
        return _gelu ? VectorMath.Gelu(value) : value;
    }
}
