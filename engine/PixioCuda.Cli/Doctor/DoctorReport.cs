using System.Text.Json;
using PixioCuda.Cli.Output;
using PixioCuda.Interop;

namespace PixioCuda.Cli.Doctor;

/// <summary>How a check ended.</summary>
internal enum CheckState
{
    /// <summary>It is as it should be.</summary>
    Ok,

    /// <summary>It is not there, and nothing fails without it.</summary>
    Optional,

    /// <summary>What it needs is missing, as an earlier check says.</summary>
    NotRun,

    /// <summary>A model cannot run on CUDA with it, or would run wrongly.</summary>
    Wrong,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Subject">What: "driver", "cuda:0 launch".</param>
/// <param name="State">How it ended.</param>
/// <param name="Finding">What was found, in one line.</param>
/// <param name="Remedy">What would help: one command where there is one, else null.</param>
internal sealed record DoctorCheck(string Subject, CheckState State, string Finding, string? Remedy = null)
{
    /// <summary>Where it was looked for, when it was not found.</summary>
    public IReadOnlyList<string> Searched { get; init; } = [];
}

/// <summary>A device, and its memory where it could be opened.</summary>
internal sealed record DoctorDevice(GpuDeviceInfo Info, GpuMemoryInfo? Memory);

/// <summary>Everything that <c>pixio doctor</c> found.</summary>
/// <param name="Checks">In the order in which one needs the other.</param>
/// <param name="Devices">What the driver shows.</param>
/// <param name="Libraries">What was loaded.</param>
/// <param name="CacheFolder">Where compiled kernels are kept, or null.</param>
/// <param name="Auto">What "--device auto" takes here, and why: a sentence.</param>
internal sealed record DoctorReport(
    IReadOnlyList<DoctorCheck> Checks, IReadOnlyList<DoctorDevice> Devices, IReadOnlyList<CudaLibrary> Libraries, string? CacheFolder,
    string Auto)
{
    /// <summary>Whether models can run on CUDA here.</summary>
    public bool IsWell => Checks.All(check => check.State != CheckState.Wrong);

    public void Print(TextWriter output)
    {
        int width = Checks.Max(check => check.Subject.Length);
        foreach (DoctorCheck check in Checks)
            output.WriteLine($"{check.Subject.PadRight(width)}  {Word(check.State),-8}  {check.Finding}");
        foreach (DoctorCheck check in Checks.Where(check => check.Remedy is not null))
        {
            output.WriteLine($"For {check.Subject}: {check.Remedy}.");
            if (check.Searched.Count > 0)
                output.WriteLine($"  Looked in {string.Join(", ", check.Searched)}.");
        }

        output.WriteLine(IsWell ? $"Models run on CUDA here. {Auto}" : $"Models do not run on CUDA here as it is. {Auto}");
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("pixio_version", PixioCommandLine.Version);
        json.WriteBoolean("ok", IsWell);
        json.WriteString("auto", Auto);
        json.WriteStartArray("checks");
        foreach (DoctorCheck check in Checks)
        {
            json.WriteStartObject();
            json.WriteString("check", check.Subject);
            json.WriteString("state", Word(check.State));
            json.WriteString("finding", check.Finding);
            json.WriteString("remedy", check.Remedy);
            json.WritePropertyName("searched");
            JsonText.WriteStrings(json, check.Searched);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("libraries");
        foreach (CudaLibrary library in Libraries)
        {
            json.WriteStartObject();
            json.WriteString("library", library.Kind.ToString());
            json.WriteString("path", library.Path);
            json.WriteString("version", library.Version.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("devices");
        foreach (DoctorDevice device in Devices)
            Write(json, device);
        json.WriteEndArray();
        json.WriteString("kernel_cache", CacheFolder);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, DoctorDevice device)
    {
        json.WriteStartObject();
        json.WriteNumber("ordinal", device.Info.Ordinal);
        json.WriteString("name", device.Info.Name);
        json.WriteString("uuid", device.Info.Uuid);
        json.WriteString("compute_capability", device.Info.ComputeCapability.ToString());
        json.WriteNumber("multiprocessors", device.Info.SmCount);
        json.WriteNumber("l2_bytes", device.Info.L2Bytes);
        json.WriteNumber("shared_bytes_per_block", device.Info.SharedBytesPerBlockOptIn);
        json.WriteNumber("memory_bytes", device.Info.TotalMemory);
        if (device.Memory is GpuMemoryInfo memory)
            json.WriteNumber("free_bytes", memory.Free);
        else
            json.WriteNull("free_bytes");
        json.WriteEndObject();
    }

    private static string Word(CheckState state) => state switch
    {
        CheckState.Ok => "ok",
        CheckState.Optional => "optional",
        CheckState.NotRun => "not run",
        _ => "WRONG",
    };
}
