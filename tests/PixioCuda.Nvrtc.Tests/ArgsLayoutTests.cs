using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The argument structs on both sides: the device compiler itself is asked where the host says that each field lies.</summary>
public sealed partial class ArgsLayoutTests
{
    public static TheoryData<string> Entries => [.. OneConfigOfEachKernel().Keys];

    [Theory]
    [MemberData(nameof(Entries))]
    public void The_device_has_every_field_where_the_host_has_it(string entry)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        KernelSource source = OneConfigOfEachKernel()[entry].Source;
        string structName = KernelLine().Match(source.Text).Groups[1].Value;
        Type host = typeof(IKernelConfig).Assembly.GetType($"PixioCuda.Kernels.{structName}")
            ?? throw new InvalidOperationException($"There is no struct {structName} in PixioCuda.Kernels, which {entry} takes.");

        // Each offset becomes the one constant of a kernel of its own, where the PTX shows it; the struct's size is that of the parameter.
        FieldInfo[] fields = host.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        Assert.NotEmpty(fields);
        string ptx = compiler.CompilePtx(source with { Text = source.Text + Probes(structName, fields) }, GpuArchitecture.Sm80).Text;
        Assert.Equal(Marshal.SizeOf(host), int.Parse(ParameterSize().Match(ptx).Groups[1].Value, CultureInfo.InvariantCulture));
        foreach (FieldInfo field in fields)
            Assert.Equal((field.Name, (int)Marshal.OffsetOf(host, field.Name)), (field.Name, OffsetIn(ptx, field)));
    }

    private static string Probes(string structName, IEnumerable<FieldInfo> fields)
        => string.Concat(fields.Select(field => $"\nextern \"C\" __global__ void offset_of_{SnakeCase(field.Name)}(u64* result) "
            + $"{{ *result = (u64)&static_cast<{structName}*>(nullptr)->{SnakeCase(field.Name)}; }}"));

    private static int OffsetIn(string ptx, FieldInfo field)
    {
        Match match = Regex.Match(ptx, $@"\.entry offset_of_{SnakeCase(field.Name)}\(.*?mov\.u64\s+%rd\d+, (\d+);", RegexOptions.Singleline);
        Assert.True(match.Success, $"The PTX shows no offset of the field {field.Name}.");
        return int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }

    private static Dictionary<string, IKernelConfig> OneConfigOfEachKernel()
    {
        Dictionary<string, IKernelConfig> kernels = [];
        foreach (IKernelConfig config in KernelCatalog.ForPresets(DeviceLimits.A100))
            kernels.TryAdd(config.Source.Entry, config);
        return kernels;
    }

    private static string SnakeCase(string name) => UpperLetter().Replace(name, match => (match.Index == 0 ? "" : "_") + match.Value.ToLowerInvariant());

    [GeneratedRegex(@"^KERNEL\(\w+, (\w+)\)", RegexOptions.Multiline)]
    private static partial Regex KernelLine();

    [GeneratedRegex(@"\.param \.align \d+ \.b8 \w+_param_0\[(\d+)\]")]
    private static partial Regex ParameterSize();

    [GeneratedRegex("[A-Z]")]
    private static partial Regex UpperLetter();
}
