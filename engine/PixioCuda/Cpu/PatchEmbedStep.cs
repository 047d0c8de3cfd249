using System.Numerics;
using PixioCuda.Graph;

namespace PixioCuda.Cpu;

/// <summary>Cuts pictures into patches, projects them, and sets class tokens before them; bias and positions are added on the way. Where a
/// table of their values [channels, 256] is given, pixels come as bytes.</summary>
internal sealed unsafe class PatchEmbedStep<TKernel>(
    CpuTarget target, PixioConfig config, InputShape shape, PackedMatrix weight, AlignedBuffer bias, AlignedBuffer classTokens,
    AlignedBuffer positions, CpuOperand input, CpuOperand output, long scratchOffset, float[]? byteValues) : CpuStep, IParallelWork
    where TKernel : IMicroKernel
{
    private readonly ImageSize _grid = config.GridFor(shape.Size);
    private readonly Gemm<TKernel, PatchEpilogue> _gemm = new(target);
    private float* _pixels;
    private byte* _bytes;
    private MatrixView _patches;
    private MatrixView _output;

    private int Patches => (int)_grid.Area;

    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        int rows = shape.Batch * Patches;
        byte* scratch = memory.Arena + scratchOffset;
        _pixels = input.In(memory).Data;
        _bytes = memory.InputBytes;
        _output = output.In(memory);
        _patches = new MatrixView((float*)scratch, target.PadRows(rows), config.PatchElements, CpuLayout.KChunked);
        pool.Run(this, shape.Batch * _grid.Height);
        float* gemmScratch = (float*)(scratch + PatchEmbedStep.PatchesByteCount(rows, config, target));
        PatchEpilogue epilogue = new(bias.Floats, positions.Floats, _output, Patches, config.ClassTokens, target.PanelColumns);
        _gemm.Run(pool, _patches, rows, weight, gemmScratch, epilogue);
    }

    /// <summary>Unfolds one row of patches of one picture; with the first row goes the picture's class tokens.</summary>
    public void Execute(int task, int worker)
    {
        int picture = task / _grid.Height, gridRow = task % _grid.Height;
        ImageSize patch = config.PatchSize;
        for (int gridColumn = 0; gridColumn < _grid.Width; gridColumn++)
        {
            int row = (task * _grid.Width) + gridColumn;
            for (int channel = 0; channel < config.Channels; channel++)
            {
                long plane = ((long)picture * config.Channels) + channel;
                for (int y = 0; y < patch.Height; y++)
                {
                    if (byteValues is not null)
                    {
                        WriteBytes(row, channel, y, (((long)picture * shape.Size.Height) + (gridRow * patch.Height) + y) * shape.Size.Width
                            + (gridColumn * patch.Width));
                        continue;
                    }

                    long line = (plane * shape.Size.Height) + (gridRow * patch.Height) + y;
                    float* pixels = _pixels + (line * shape.Size.Width) + (gridColumn * patch.Width);
                    _patches.Write(row, ((channel * patch.Height) + y) * patch.Width, new ReadOnlySpan<float>(pixels, patch.Width));
                }
            }
        }

        if (gridRow == 0)
            WriteClassTokens(picture);
    }

    /// <summary>Unfolds one channel of a line of a patch from pixels of bytes.</summary>
    private void WriteBytes(int row, int channel, int y, long firstPixel)
    {
        const int Run = 64;
        Span<float> values = stackalloc float[Run];
        ReadOnlySpan<float> valueOf = byteValues.AsSpan(channel * 256, 256);
        ImageSize patch = config.PatchSize;
        for (int x = 0; x < patch.Width; x += Run)
        {
            int count = Math.Min(Run, patch.Width - x);
            byte* bytes = _bytes + ((firstPixel + x) * config.Channels) + channel;
            for (int i = 0; i < count; i++)
                values[i] = valueOf[bytes[i * config.Channels]];
            _patches.Write(row, ((channel * patch.Height) + y) * patch.Width + x, values[..count]);
        }
    }

    private void WriteClassTokens(int picture)
    {
        int hiddenSize = config.HiddenSize;
        for (int token = 0; token < config.ClassTokens; token++)
        {
            float* to = _output.At((picture * (config.ClassTokens + Patches)) + token, 0);
            for (int column = 0; column < hiddenSize; column++)
            {
                int index = (token * hiddenSize) + column;
                to[column] = classTokens.Floats[index] + positions.Floats[index];
            }
        }
    }
}

/// <summary>What the patch embedding needs in the arena.</summary>
internal static class PatchEmbedStep
{
    public static long ScratchByteCount(PatchEmbedOp op, EncoderGraph graph, CpuTarget target)
    {
        int rows = checked(graph.Shape.Batch * (int)op.Grid.Area);
        return checked(PatchesByteCount(rows, graph.Config, target) + GemmScratch.ByteCount(rows, target));
    }

    /// <summary>The unfolded patches [B * P, C * p * p].</summary>
    public static long PatchesByteCount(int rows, PixioConfig config, CpuTarget target) =>
        checked(MatrixView.ElementCount(target.PadRows(rows), config.PatchElements, CpuLayout.KChunked) * sizeof(float));
}

/// <summary>Adds bias and position to a projected patch and puts it behind its picture's class tokens.</summary>
internal readonly unsafe struct PatchEpilogue(
    float* bias, float* positions, MatrixView output, int patches, int classTokens, int panelColumns) : IEpilogue
{
    private readonly float* _bias = bias;
    private readonly float* _positions = positions;
    private readonly MatrixView _output = output;
    private readonly int _patches = patches;
    private readonly int _classTokens = classTokens;
    private readonly int _panelColumns = panelColumns;

    public void Prefetch(int row, int rows, int column)
    {
        // The product is a hundredth of a model: what it waits for does not show.
    }

    public void Store(float* tile, int row, int rows, int column, int columns)
    {
        for (int index = 0; index < rows; index++, tile += _panelColumns)
        {
            int picture = (row + index) / _patches, token = _classTokens + ((row + index) % _patches);
            float* position = _positions + ((long)token * _output.Columns) + column;
            float* to = _output.At((picture * (_classTokens + _patches)) + token, column);
            int lane = 0;
            for (; lane <= columns - Vector<float>.Count; lane += Vector<float>.Count)
                (Vector.Load(tile + lane) + Vector.Load(_bias + column + lane) + Vector.Load(position + lane)).Store(to + lane);
            for (; lane < columns; lane++)
                to[lane] = tile[lane] + _bias[column + lane] + position[lane];
        }
    }
}
