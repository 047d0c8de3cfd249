using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Parameters;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace PixioCuda.Bench.Reporting;

/// <summary>What one operation of a benchmark does, by count.</summary>
/// <param name="Flops">Floating-point operations, 2 for a multiply-add; 0 where there is nothing to count.</param>
/// <param name="Bytes">Bytes that must at least be read and written; 0 where there is nothing to count.</param>
internal readonly record struct Work(double Flops, double Bytes);

/// <summary>A suite that can tell what its operations do.</summary>
internal interface ICountsWork
{
    /// <summary>For the parameters that are set.</summary>
    Work Work { get; }
}

/// <summary>Turns a median time and the work behind it into rates and shares of the ceilings.</summary>
internal sealed class WorkColumn(string name, string legend, Func<Work, double, string> show, bool onlyCpu = false) : IColumn
{
    public string Id => $"{nameof(WorkColumn)}.{name}";

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => legend;

    public static IColumn[] All(Ceilings ceilings) =>
    [
        new WorkColumn("GFLOP/s", "10^9 floating-point operations per second", (work, seconds) => Number(work.Flops / seconds / 1e9, "F1")),
        new WorkColumn("of FMA", "share of the FMA peak measured in this run", (work, seconds) => Number(work.Flops / seconds / 1e9 / ceilings.Gflops, "P0"), onlyCpu: true),
        new WorkColumn("GB/s", "10^9 bytes per second", (work, seconds) => Number(work.Bytes / seconds / 1e9, "F1")),
        new WorkColumn("of copy", "share of the copy rate measured in this run", (work, seconds) => Number(work.Bytes / seconds / 1e9 / ceilings.CopyGigabytes, "P0"), onlyCpu: true),
    ];

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        double? nanoseconds = summary[benchmarkCase]?.ResultStatistics?.Median;
        if (nanoseconds is not double median || Activator.CreateInstance(benchmarkCase.Descriptor.Type) is not ICountsWork suite
            || (onlyCpu && suite is IRunsOnCuda))
            return "-";
        foreach (ParameterInstance parameter in benchmarkCase.Parameters.Items)
            benchmarkCase.Descriptor.Type.GetProperty(parameter.Name)?.SetValue(suite, parameter.Value);
        return show(suite.Work, median / 1e9);
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;

    private static string Number(double value, string format) => value == 0 ? "-" : value.ToString(format, CultureInfo.InvariantCulture);
}
