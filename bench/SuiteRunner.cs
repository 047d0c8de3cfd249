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
using PixioCuda.Bench.Reporting;
using PixioCuda.Bench.Suites;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;

namespace PixioCuda.Bench;

/// <summary>The suites of BenchmarkDotNet. Apart from the program's entry, so that what is measured without them runs where that library is
/// not there, as in the bundle.</summary>
internal static class SuiteRunner
{
    /// <summary>Runs all suites, or those that BenchmarkDotNet's own command line names.</summary>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args)
    {
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
        return summaries.Length > 0 && summaries.All(
            summary => !summary.HasCriticalValidationErrors && summary.Reports.All(report => report.Success)) ? 0 : 1;
    }
}
