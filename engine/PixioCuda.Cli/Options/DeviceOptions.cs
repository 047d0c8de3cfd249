using System.CommandLine;
using PixioCuda.Weights;

namespace PixioCuda.Cli.Options;

/// <summary>What a model runs on.</summary>
internal sealed class DeviceOptions
{
    private static readonly Dictionary<string, PixioPrecision> Precisions = new()
    {
        ["bf16"] = PixioPrecision.BF16,
        ["fp16"] = PixioPrecision.FP16,
        ["fp32"] = PixioPrecision.FP32,
    };

    private const string Native = "native";
    private const string CublasLt = "cublaslt";
    private static readonly Dictionary<string, DType> WeightTypes = new() { ["f32"] = DType.F32, ["bf16"] = DType.BF16 };

    private readonly Option<string> _device = new("--device")
    {
        Description = "What runs the model: auto, cpu, cuda, cuda:N or a GPU's UUID.",
        HelpName = "DEVICE",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<string?> _precision = new("--precision")
    {
        Description = $"What is computed in: {string.Join(", ", Precisions.Keys)} [default: bf16 on CUDA, fp32 on the CPU].",
        HelpName = string.Join('|', Precisions.Keys),
    };

    private readonly Option<string> _gemm = OptionFactory.Choice(
        "--gemm", "What multiplies matrices on CUDA: native kernels, whose bits do not depend on the batch, or NVIDIA's cuBLASLt.", Native, Native, CublasLt);

    private readonly Option<bool> _fast = OptionFactory.Flag(
        "--fast", "Small batches by products that take less time, but whose bits may depend on the batch (compute capability 9.0).");

    private readonly Option<string?> _weightsInMemory = new("--weights-in-memory")
    {
        Description = "What the CPU keeps weights as: f32, or bf16 for half the memory (bf16 and f16 checkpoints stay as they are, f32 is rounded) "
            + "[default: f32].",
        HelpName = string.Join('|', WeightTypes.Keys),
    };

    private readonly Option<long?> _threads = OptionFactory.WholeNumber(
        "--threads", "Threads of the CPU [default: one on every core].", 1, 1024);

    public DeviceOptions(Command command)
    {
        command.Add(_device);
        command.Add(_precision);
        command.Add(_gemm);
        command.Add(_fast);
        command.Add(_weightsInMemory);
        command.Add(_threads);
    }

    public int? Threads(ParseResult parsed) => (int?)parsed.GetValue(_threads);

    /// <summary>The library's options, as far as they are those of this class.</summary>
    public PixioModelOptions Read(ParseResult parsed) => new()
    {
        Device = parsed.GetValue(_device)!,
        Precision = parsed.GetValue(_precision) is string name ? PrecisionOf(name) : null,
        Gemm = parsed.GetValue(_gemm) == CublasLt ? GemmProvider.CublasLt : GemmProvider.Native,
        Fast = parsed.GetValue(_fast),
        Threads = Threads(parsed),
        WeightsInMemory = parsed.GetValue(_weightsInMemory) is string type ? WeightTypeOf(type) : null,
    };

    private static DType WeightTypeOf(string name) => WeightTypes.TryGetValue(name, out DType type)
        ? type : throw new UsageException($"--weights-in-memory takes one of {string.Join(", ", WeightTypes.Keys)}, not '{name}'.");

    private static PixioPrecision PrecisionOf(string name) => Precisions.TryGetValue(name, out PixioPrecision precision)
        ? precision : throw new UsageException($"--precision takes one of {string.Join(", ", Precisions.Keys)}, not '{name}'.");
}
