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
        (string Path, int Offset)[] fields = [.. FieldsOf(host, "", 0)];
        Assert.NotEmpty(fields);
        string probes = string.Concat(fields.Select((field, number) => $"\nextern \"C\" __global__ void offset_{number}(u64* result) "
            + $"{{ *result = (u64)&static_cast<{structName}*>(nullptr)->{field.Path}; }}"));
        string ptx = compiler.CompilePtx(source with { Text = source.Text + probes }, GpuArchitecture.Sm90A).Text;
        Assert.Equal(Marshal.SizeOf(host), int.Parse(ParameterSize().Match(ptx).Groups[1].Value, CultureInfo.InvariantCulture));
        Assert.Equal(fields, fields.Select((field, number) => (field.Path, OffsetIn(ptx, number))));
    }

    /// <summary>Every field by its device name, those of nested structs by their paths.</summary>
    private static IEnumerable<(string Path, int Offset)> FieldsOf(Type host, string prefix, int start)
    {
        foreach (FieldInfo field in host.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            string path = prefix + SnakeCase(field.Name);
            int offset = start + (int)Marshal.OffsetOf(host, field.Name);
            if (field.FieldType.Name.EndsWith("Args", StringComparison.Ordinal))
            {
                foreach ((string, int) inner in FieldsOf(field.FieldType, path + ".", offset))
                    yield return inner;
            }
            else
            {
                yield return (path, offset);
            }
        }
    }

    private static int OffsetIn(string ptx, int number)
    {
        Match match = Regex.Match(ptx, $@"\.entry offset_{number}\(.*?mov\.u64\s+%rd\d+, (\d+);", RegexOptions.Singleline);
        Assert.True(match.Success, $"The PTX shows no offset of field {number}.");
        return int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }

    private static Dictionary<string, IKernelConfig> OneConfigOfEachKernel()
    {
        Dictionary<string, IKernelConfig> kernels = [];
        foreach (DeviceLimits device in new[] { DeviceLimits.A100, DeviceLimits.H200 })
        {
            // Long sequences have kernels of their own.
            foreach (IKernelConfig config in KernelCatalog.ForPresets(device).Concat(
                KernelCatalog.ForModel(EncoderDimensions.Presets[0], Precision.BF16, 1, 512, 512, device)))
                kernels.TryAdd(config.Source.Entry, config);
        }

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
