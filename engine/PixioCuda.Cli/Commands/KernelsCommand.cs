using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio kernels</c>: compiles the CUDA kernels for an architecture, with or without a GPU.</summary>
internal sealed class KernelsCommand
{
    private static readonly (string Name, GpuArchitecture Architecture, DeviceLimits Device)[] Architectures =
    [
        ("sm_80", GpuArchitecture.Sm80, DeviceLimits.A100),
        ("sm_89", GpuArchitecture.Sm89, DeviceLimits.Rtx4090),
        ("sm_90a", GpuArchitecture.Sm90A, DeviceLimits.H200),
    ];

    private static readonly string[] PrecisionNames = ["bf16", "fp16", "fp32"];

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "kernels", "Compiles the CUDA kernels and says what each takes of a multiprocessor. Needs NVRTC, and no GPU.")
    {
        Examples =
        [
            ("pixio kernels --arch sm_90a", "every kernel of the published encoders for an H100 or H200"),
            ("pixio kernels --arch sm_89 --model vith16 --precision bf16 --output ./kernel-cache",
                "a cache to ship: PIXIO_CACHE_DIR=./kernel-cache then needs no compiler"),
        ],
    };

    private readonly Option<string> _arch = OptionFactory.Choice(
        "--arch", "The architecture to compile for.", "sm_90a", [.. Architectures.Select(known => known.Name)]);
    private readonly Option<string[]> _models = OptionFactory.Words(
        "--model", "Whose kernels [default: all published encoders'].", "vitb16,vith16");
    private readonly Option<string[]> _precisions = OptionFactory.Words(
        "--precision", $"In which precisions [default: {string.Join(',', PrecisionNames)}].", "bf16");
    private readonly Option<string?> _output = new("--output")
    {
        Description = "The folder of a kernel cache to fill [default: nothing is kept].",
        HelpName = "DIR",
    };

    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document.");

    private KernelsCommand(CommandConsole console)
    {
        _console = console;
        _command.Add(_arch);
        _command.Add(_models);
        _command.Add(_precisions);
        _command.Add(_output);
        _command.Add(_json);
    }

    public static Command Create(CommandConsole console)
    {
        KernelsCommand kernels = new(console);
        kernels._command.SetAction(kernels.Run);
        return kernels._command;
    }

    private int Run(ParseResult parsed)
    {
        (_, GpuArchitecture architecture, DeviceLimits device) = Architectures.First(known => known.Name == parsed.GetValue(_arch));
        EncoderDimensions[] models = Chosen(
            parsed.GetValue(_models), "--model", [.. EncoderDimensions.Presets], model => model.Name);
        Precision[] precisions = Chosen(
            parsed.GetValue(_precisions), "--precision", Enum.GetValues<Precision>(), precision => PrecisionNames[(int)precision]);
        IReadOnlyList<IKernelConfig> configs = KernelCatalog.For(models, precisions, device);
        KernelCompiler compiler = Open();

        long start = Stopwatch.GetTimestamp();
        CompiledKernel[] kernels = Compile(configs, architecture, compiler, parsed.GetValue(_output));
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        if (parsed.GetValue(_json))
            _console.Out.WriteLine(ToJson(architecture, compiler, configs, kernels, took));
        else
            Print(architecture, compiler, configs, kernels, took);
        return ExitCodes.Ok;
    }

    private CompiledKernel[] Compile(
        IReadOnlyList<IKernelConfig> configs, GpuArchitecture architecture, KernelCompiler compiler, string? output)
    {
        KernelSource[] sources = [.. configs.Select(config => config.Source)];
        if (output is null)
            return compiler.CompileAll(sources, architecture, Environment.ProcessorCount);
        Directory.CreateDirectory(output);
        KernelCache cache = KernelCache.Open(output);
        CompiledKernel[] kernels = cache.GetOrCompileAll(sources, architecture, compiler, Environment.ProcessorCount);
        foreach (string warning in cache.Warnings)
            _console.Error.WriteLine($"pixio: {warning}");
        // Kernels that were to be kept and were not are no success.
        return cache.Folder is not null && cache.NotKeptCount == 0
            ? kernels : throw new FailedException($"The kernels are compiled, but not all of them could be kept in '{output}'.");
    }

    private static KernelCompiler Open()
    {
        try
        {
            return KernelCompiler.Open();
        }
        catch (CudaLibraryException exception)
        {
            throw new FailedException(exception.Message);
        }
    }

    private static T[] Chosen<T>(string[]? names, string option, T[] all, Func<T, string> nameOf)
    {
        if (names is null or { Length: 0 })
            return all;
        return [.. names.Select(name => all.Where(item => nameOf(item) == name).Select(item => (T?)item).FirstOrDefault()
            ?? throw new UsageException($"{option} takes {string.Join(", ", all.Select(nameOf))}, not '{name}'."))];
    }

    private void Print(
        GpuArchitecture architecture, KernelCompiler compiler, IReadOnlyList<IKernelConfig> configs, CompiledKernel[] kernels, TimeSpan took)
    {
        _console.Out.WriteLine("registers  threads  shared bytes  kernel");
        for (int i = 0; i < kernels.Length; i++)
        {
            _console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{kernels[i].Resources.Registers,9}  {configs[i].Threads,7}  {configs[i].SharedBytes,12:N0}  {configs[i].Source.Title}"));
        }

        int cached = kernels.Count(kernel => kernel.FromCache);
        _console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{kernels.Length} kernels for {architecture} by NVRTC {compiler.Version} in {took.TotalSeconds:F2} s, {cached} of them from the cache"));
    }

    private static string ToJson(
        GpuArchitecture architecture, KernelCompiler compiler, IReadOnlyList<IKernelConfig> configs, CompiledKernel[] kernels, TimeSpan took)
        => JsonText.Of(json =>
        {
            json.WriteStartObject();
            json.WriteString("architecture", architecture.Name);
            json.WriteString("nvrtc", compiler.Version.ToString());
            json.WriteNumber("seconds", took.TotalSeconds);
            json.WriteNumber("from_cache", kernels.Count(kernel => kernel.FromCache));
            json.WriteStartArray("kernels");
            for (int i = 0; i < kernels.Length; i++)
                Write(json, configs[i], kernels[i]);
            json.WriteEndArray();
            json.WriteEndObject();
        });

    private static void Write(Utf8JsonWriter json, IKernelConfig config, CompiledKernel kernel)
    {
        json.WriteStartObject();
        json.WriteString("entry", config.Source.Entry);
        json.WriteStartObject("defines");
        foreach (KernelDefine define in config.Source.Defines)
            json.WriteString(define.Name, define.Value);
        json.WriteEndObject();
        json.WriteNumber("threads", config.Threads);
        json.WriteNumber("registers", kernel.Resources.Registers);
        json.WriteNumber("register_budget", config.RegisterBudget);
        json.WriteNumber("shared_bytes", config.SharedBytes);
        json.WriteNumber("spill_bytes", kernel.Resources.SpillStoreBytes);
        json.WriteNumber("cubin_bytes", kernel.Cubin.Length);
        json.WriteEndObject();
    }
}
