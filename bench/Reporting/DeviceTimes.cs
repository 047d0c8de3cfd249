using System.Collections.Concurrent;
using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace PixioCuda.Bench.Reporting;

/// <summary>A suite that runs on a CUDA device: the CPU's ceilings are none of its.</summary>
internal interface IRunsOnCuda;

/// <summary>What launches took by the device's own clock.</summary>
internal static class DeviceTimes
{
    private static readonly ConcurrentDictionary<(Type Suite, int Batch), double> Microseconds = new();

    public static void Record(IRunsOnCuda suite, int batch, double microseconds) => Microseconds[(SuiteOf(suite.GetType()), batch)] = microseconds;

    public static double? Of(Type suite, int batch) => Microseconds.TryGetValue((SuiteOf(suite), batch), out double time) ? time : null;

    // The in-process toolchain measures a class that it derives from the suite.
    private static Type SuiteOf(Type type) => type.Assembly == typeof(DeviceTimes).Assembly ? type : SuiteOf(type.BaseType!);
}

/// <summary>The median time of a launch between two events of the device.</summary>
internal sealed class DeviceTimeColumn : IColumn
{
    public string Id => nameof(DeviceTimeColumn);

    public string ColumnName => "device us";

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 1;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => "microseconds of a launch between two events of the CUDA device, median";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
        => benchmarkCase.Parameters["Batch"] is int batch && DeviceTimes.Of(benchmarkCase.Descriptor.Type, batch) is double time
            ? time.ToString("F2", CultureInfo.InvariantCulture) : "-";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;
}
