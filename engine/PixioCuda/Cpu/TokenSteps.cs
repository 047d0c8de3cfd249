namespace PixioCuda.Cpu;

/// <summary>[B, T, d] -> [B, tokenCount, d]: copies tokens.</summary>
internal sealed unsafe class SelectTokensStep(CpuOperand input, CpuOperand output, int batch, int tokens, int firstToken, int tokenCount, int width)
    : CpuStep
{
    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        float* from = input.In(memory).Data + ((long)firstToken * width);
        float* to = output.In(memory).Data;
        long length = (long)tokenCount * width;
        for (int picture = 0; picture < batch; picture++)
            Buffer.MemoryCopy(from + ((long)picture * tokens * width), to + (picture * length), length * sizeof(float), length * sizeof(float));
    }
}

/// <summary>[B, T, d] -> [B, d]: the mean of the first tokens.</summary>
internal sealed unsafe class MeanTokensStep(CpuOperand input, CpuOperand output, int batch, int tokens, int tokenCount, int width) : CpuStep
{
    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        float* from = input.In(memory).Data;
        float* to = output.In(memory).Data;
        for (int picture = 0; picture < batch; picture++, from += (long)tokens * width, to += width)
        {
            for (int column = 0; column < width; column++)
            {
                float sum = 0;
                for (int token = 0; token < tokenCount; token++)
                    sum += from[((long)token * width) + column];
                to[column] = sum / tokenCount;
            }
        }
    }
}

/// <summary>tokens [B, T, d] and mean [B, d] -> [B, P, 2d]: every patch with its picture's mean behind it.</summary>
internal sealed unsafe class AppendMeanStep(CpuOperand input, CpuOperand mean, CpuOperand output, int batch, int tokens, int firstToken, int width)
    : CpuStep
{
    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        float* from = input.In(memory).Data;
        float* appended = mean.In(memory).Data;
        float* to = output.In(memory).Data;
        long byteCount = (long)width * sizeof(float);
        for (int picture = 0; picture < batch; picture++, from += (long)tokens * width, appended += width)
        {
            for (int token = firstToken; token < tokens; token++, to += 2 * width)
            {
                Buffer.MemoryCopy(from + ((long)token * width), to, byteCount, byteCount);
                Buffer.MemoryCopy(appended, to + width, byteCount, byteCount);
            }
        }
    }
}

/// <summary>[B, T, d] -> [B, d, grid]: the tokens from firstToken on as planes.</summary>
internal sealed unsafe class TokensToMapStep(CpuOperand input, CpuOperand output, int batch, int tokens, int firstToken, int width)
    : CpuStep, IParallelWork
{
    private float* _from;
    private float* _to;

    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        _from = input.In(memory).Data;
        _to = output.In(memory).Data;
        pool.Run(this, batch);
    }

    public void Execute(int task, int worker)
    {
        int patches = tokens - firstToken;
        ReadOnlySpan<float> rows = new(_from + ((((long)task * tokens) + firstToken) * width), checked(patches * width));
        Transpose.Run(rows, patches, width, new Span<float>(_to + ((long)task * patches * width), checked(patches * width)), patches);
    }
}
