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
using PixioCuda.Bench.Hardware;
using PixioCuda.Bench.Reporting;
using PixioCuda.Bench.Suites;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;
using PixioCuda.Weights;

// Without arguments: a short job of every suite and one table. With one of these words:
//   hub                        the rate of downloads beside curl's
//   hosting [DEVICE]           64 callers of EmbedAsync with a picture each, beside batches of 64
//   load [PRESET]              loading beside a plain read, and its memory
//   expected [PRESET [N,N]]    what each launch of a forward pass should take on an H200
//   tiles [PRESET [N,N]]       every configuration of the products on a device of compute capability 9.0, beside what was expected
//   cuda-start MODEL           until a fresh process' CUDA engine is ready (bench/cuda-host.sh)
//   cuda-overhead              what the host takes around a run on CUDA
//   ceilings                   what a CUDA device reaches at best: a copy, and cuBLASLt's product
//   peer --model DIR ...       one model that runs and measures when it is told to on standard input (PeerProcess)
//   copy-runtime APP FROM TO   the .NET runtime in FROM, without what the programs in a folder cannot reach
// With other arguments: BenchmarkDotNet's own command line (--filter '*Gemm*', --list flat, ...), with the same columns.
switch (args)
{
    case ["hub"]:
        return HubRate.Run(1_000_000_000);
    case ["hosting"] or ["hosting", _]:
        return await HostingRate.RunAsync(args.Length > 1 ? args[1] : "cpu");
    case ["expected", ..]:
        return ExpectedTimes.Print(args.Length > 1 ? args[1] : "vith16", args.Length > 2 ? [.. args[2].Split(',').Select(int.Parse)] : [1, 8, 64]);
    case ["load", ..]:
        return LoadRate.Run(args.Length > 1 ? args[1] : "vith16");
    case [LoadRate.OnceMode, string once, string order]:
        return LoadRate.PrintTimes(once, loadFirst: order == "load-first");
    case [LoadRate.MemoryMode, string folder, string type]:
        return LoadRate.PrintMemory(folder, Enum.Parse<DType>(type));
    case ["tiles", ..]:
        return TileTimes.Run(
            args.Length > 1 ? args[1] : "vith16", args.Length > 2 ? [.. args[2].Split(',').Select(int.Parse)] : [1, 8, 64]);
    case ["cuda-start", string started]:
        return CudaHostTimes.Start(started);
    case ["cuda-overhead"]:
        return CudaHostTimes.Overhead();
    case ["ceilings"]:
        return DeviceCeilings.Run();
    case ["peer", .. string[] rest]:
        return PeerProcess.Run(rest, Console.In, Console.Out, Console.Error);
    case ["copy-runtime", string programs, string runtime, string target]:
        return RuntimeClosure.Copy(programs, runtime, target);
}

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
