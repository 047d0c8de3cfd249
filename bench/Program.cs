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
using PixioCuda.Bench;
using PixioCuda.Bench.Reporting;
using PixioCuda.Bench.Suites;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;

// Without arguments: a short job of every suite and one table. "hub": the rate of downloads beside curl's. "cuda-start MODEL" and
// "cuda-overhead": what the CUDA engine's host side takes (bench/cuda-host.sh). With other arguments: BenchmarkDotNet's own command line (--filter '*Gemm*', --list flat, ...), with the same columns.
if (args is ["hub"])
    return HubRate.Run(1_000_000_000);
if (args is ["cuda-start", string model])
    return CudaHostTimes.Start(model);
if (args is ["cuda-overhead"])
    return CudaHostTimes.Overhead();

Ceilings ceilings = Ceilings.Measure(Environment.ProcessorCount);
Console.Error.WriteLine(ceilings);

Job job = (BenchSize.IsSmoke ? Job.Dry : Job.ShortRun).WithToolchain(InProcessEmitToolchain.Instance).WithId("short");
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
