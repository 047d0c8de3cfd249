namespace PixioCuda.Cpu;

/// <summary>A matrix product with its epilogue.</summary>
internal sealed unsafe class LinearStep<TKernel, TVector>(
    CpuTarget target, CpuOperand input, int rows, PackedMatrix weight, AlignedBuffer? bias, bool gelu, CpuOperand? residual,
    CpuOperand output, long scratchOffset) : CpuStep
    where TKernel : IMicroKernel
    where TVector : struct, IFloatVector<TVector>
{
    private readonly Gemm<TKernel, LinearEpilogue<TVector>> _gemm = new(target);

    public override void Run(WorkerPool pool, in CpuMemory memory)
    {
        MatrixView addend = residual is CpuOperand operand ? operand.In(memory) : default;
        LinearEpilogue<TVector> epilogue = new(bias is null ? null : bias.Floats, gelu, addend, output.In(memory), target.PanelColumns);
        _gemm.Run(pool, input.In(memory), rows, weight, (float*)(memory.Arena + scratchOffset), epilogue);
    }
}
