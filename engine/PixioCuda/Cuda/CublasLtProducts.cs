using PixioCuda.Graph;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cuda;

/// <summary>Matrix products by cuBLASLt. Where its own epilogue would cost accuracy it leaves float32 sums, and a kernel of our own goes on:
/// results of 16 bits are rounded once, behind bias and GELU (by the error function; cuBLASLt's is the tanh form); in float32 the bias is
/// added before the residual, whose massive channels would otherwise be rounded twice.</summary>
internal sealed class CublasLtProducts : IDisposable
{
    // What NVIDIA recommends for Hopper; older devices take less.
    private const long WorkspaceByteCount = 32L << 20;

    private readonly GpuDevice _device;
    private readonly CublasLtHandle _handle;

    /// <summary>Opens the library on a device.</summary>
    /// <exception cref="CudaLibraryException">There is no cuBLASLt.</exception>
    /// <exception cref="CublasLtException">It does not start.</exception>
    public CublasLtProducts(GpuDevice device)
    {
        _device = device;
        _handle = CublasLtHandle.Open(device.Context);
    }

    /// <summary>What a product needs in the arena beside its operands: cuBLASLt's workspace, then the sums [M, N] where they are not the
    /// result.</summary>
    public static long ScratchByteCount(LinearOp op, Precision precision)
        => WorkspaceByteCount + (LeavesSums(op, precision) ? op.Output.ElementCount * sizeof(float) : 0);

    /// <summary>The steps of a product: cuBLASLt's, and what follows it.</summary>
    /// <param name="op">The product.</param>
    /// <param name="types">The number formats of the graph's tensors.</param>
    /// <param name="precision">What is multiplied.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="offsetOf">Where a tensor lies in the arena.</param>
    /// <param name="scratch">Where the op's scratch memory lies there.</param>
    public IEnumerable<CudaStep> Steps(
        LinearOp op, CudaTensorTypes types, Precision precision, CudaWeights weights, Func<GraphTensor, long> offsetOf, long scratch)
    {
        ElementType element = precision.Element(), output = types[op.Output];
        bool leavesSums = LeavesSums(op, precision), finishes = leavesSums || op.Gelu, addsResidual = op.Residual is not null && !finishes;
        bool addsBias = op.Bias is not null && !finishes;
        if (op.Residual is not null && (types[op.Residual] != ElementType.F32 || output != ElementType.F32))
            throw new NotSupportedException($"The residual of {op.Output} is not float32, and cuBLASLt is asked to add only such.");
        MatmulShape shape = new(op.Output.Rows, op.Output.Columns, op.Input.Columns, TypeOf(element), addsBias, addsResidual ? 1 : 0)
        {
            OutputType = TypeOf(leavesSums ? ElementType.F32 : output),
        };
        CublasLtMatmul product = new(_device, shape, WorkspaceByteCount, _handle);
        DevicePointer<byte> weight = weights.Matrix(op.Weight);
        DevicePointer<float> bias = op.Bias is WeightKey key ? weights.Vector(key) : default;
        long input = offsetOf(op.Input), place = offsetOf(op.Output), sums = leavesSums ? scratch + WorkspaceByteCount : place;
        long? residual = op.Residual is null ? null : offsetOf(op.Residual);
        long added = addsResidual ? residual!.Value : sums;
        yield return new CudaStep(
            finishes ? $"{op.Output.Name}.matmul" : op.Output.Name, $"cublasLt {product.Shape}", Work(shape),
            UsesTensorCores: element != ElementType.F32,
            (stream, memory) => product.Run(
                stream, memory.Arena[input], weight, memory.Arena[added], memory.Arena[sums], addsBias ? bias.As<byte>() : default,
                memory.Arena[scratch]))
        {
            IsLibraryCall = true,
        };
        if (!finishes)
            yield break;
        GemmEpilogue epilogue = op.Gelu ? GemmEpilogue.BiasGelu : residual is null ? GemmEpilogue.Bias : GemmEpilogue.BiasResidual;
        GemmEpilogueShape finish = new(op.Output.Rows, op.Output.Columns, epilogue, output);
        GemmEpilogueKernel kernel = new(_device, finish);
        yield return new CudaStep(op.Output.Name, kernel.Config.Source.Title, kernel.Config.Work(finish), UsesTensorCores: false,
            (stream, memory) => kernel.Launch(
                stream, memory.Arena[sums].As<float>(), bias, residual is long lies ? memory.Arena[lies].As<float>() : default,
                memory.Arena[place]));
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>Whether the product's sums are not at the place of its result.</summary>
    private static bool LeavesSums(LinearOp op, Precision precision)
        => op.Bias is not null && (op.Residual is null) != (precision == Precision.F32);

    private static KernelWork Work(MatmulShape shape)
    {
        // What has to cross the bus; what the library's tiles read more often is not known.
        long elementBytes = BytesOf(shape.Type), results = (long)shape.Rows * shape.Columns * BytesOf(shape.OutputType);
        long read = (((long)shape.Rows + shape.Columns) * shape.Inner * elementBytes) + (shape.Beta == 0 ? 0 : results);
        return new KernelWork(read, results, 2.0 * shape.Rows * shape.Columns * shape.Inner, read + results);
    }

    private static int BytesOf(CudaDataType type) => type == CudaDataType.CUDA_R_32F ? 4 : 2;

    private static CudaDataType TypeOf(ElementType type) => type switch
    {
        ElementType.BF16 => CudaDataType.CUDA_R_16BF,
        ElementType.F16 => CudaDataType.CUDA_R_16F,
        _ => CudaDataType.CUDA_R_32F,
    };
}
