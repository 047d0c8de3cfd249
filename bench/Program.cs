using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Perfolizer.Horology;
using PixioCuda.Bench;
using PixioCuda.Bench.Pipeline;
using PixioCuda.Bench.Reporting;
using PixioCuda.Bench.Suites;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;
using PixioCuda.Weights;

// Without arguments: a short job of every suite and one table. "hub": the rate of downloads beside curl's. "load [PRESET]": loading
// beside a plain read, and its memory. "pipeline decode|engine [MODEL [N]]|memory [N]": from files to features. With other arguments:
// BenchmarkDotNet's own command line (--filter '*Gemm*', --list flat, ...), with the same columns.
if (args is ["expected", ..])
    return ExpectedTimes.Print(args.Length > 1 ? args[1] : "vith16", args.Length > 2 ? [.. args[2].Split(',').Select(int.Parse)] : [1, 8, 64]);
if (args is ["hub"])
    return HubRate.Run(1_000_000_000);
if (args is ["pipeline", "decode"])
    return PipelineRate.Decode();
if (args is ["pipeline", "engine", ..])
    return PipelineRate.Engine(args.Length > 2 ? args[2] : "random:vitb16", args.Length > 3 ? int.Parse(args[3]) : 40);
if (args is ["pipeline", "memory", ..])
    return PipelineMemory.Run(args.Length > 2 ? int.Parse(args[2]) : 100_000);
if (args is ["load", ..])
    return LoadRate.Run(args.Length > 1 ? args[1] : "vith16");
if (args is [LoadRate.OnceMode, string once, string order])
    return LoadRate.PrintTimes(once, loadFirst: order == "load-first");
if (args is [LoadRate.MemoryMode, string folder, string type])
    return LoadRate.PrintMemory(folder, Enum.Parse<DType>(type));

Ceilings ceilings = Ceilings.Measure(Environment.ProcessorCount);
Console.Error.WriteLine(ceilings);

// Short: a few runs of a tenth of a second each, or of one call where that takes longer.
Job shortJob = Job.Default.WithWarmupCount(1).WithIterationCount(5).WithIterationTime(TimeInterval.FromMilliseconds(100));
Job job = (BenchSize.IsSmoke ? Job.Dry : shortJob).WithToolchain(InProcessEmitToolchain.Instance).WithId("short");
ManualConfig config = ManualConfig.CreateEmpty()
    .AddJob(job)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddLogger(ConsoleLogger.Default)
    .AddExporter(MarkdownExporter.GitHub)
    .AddColumnProvider(DefaultColumnProviders.Descriptor, DefaultColumnProviders.Params)
    .AddColumn(StatisticColumn.Median, StatisticColumn.StdDev)
    .AddColumn(WorkColumn.All(ceilings))
    .AddColumn(new DeviceTimeColumn())
    .AddColumnProvider(DefaultColumnProviders.Metrics)
    .WithOptions(ConfigOptions.JoinSummary | ConfigOptions.DisableLogFile)
    .WithSummaryStyle(SummaryStyle.Default);

CudaDriverStatus cuda = CudaDriver.Probe();
if (cuda.DeviceCount == 0)
    Console.Error.WriteLine($"The suites on a CUDA device are left out: {cuda.Finding}.");
if (KernelCompiler.Find(out CudaLibraryException? noCompiler) is null)
    Console.Error.WriteLine($"The suite of the kernel cache is left out: {noCompiler!.Message}");
Type[] suites = [.. typeof(Program).Assembly.GetTypes().Where(type => type is { IsPublic: true, IsAbstract: false }
    && type.GetMethods().Any(method => method.IsDefined(typeof(BenchmarkAttribute), inherit: true))
    && (cuda.DeviceCount > 0 || !type.IsAssignableTo(typeof(IRunsOnCuda)))
    && (noCompiler is null || type != typeof(KernelCacheBench)))];

Summary[] summaries = [.. args.Length > 0
    ? BenchmarkSwitcher.FromTypes(suites).Run(args, config)
    : BenchmarkSwitcher.FromTypes(suites).RunAllJoined(config) is Summary all ? [all] : Array.Empty<Summary>()];

Console.Error.WriteLine(ceilings);
// A benchmark whose result was wrong throws in its setup, has no measurement, and fails the run.
return summaries.Length > 0 && summaries.All(summary => !summary.HasCriticalValidationErrors && summary.Reports.All(report => report.Success)) ? 0 : 1;
