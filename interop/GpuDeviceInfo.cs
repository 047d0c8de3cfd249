namespace PixioCuda.Interop;

/// <summary>A device's compute capability.</summary>
internal readonly record struct ComputeCapability(int Major, int Minor)
{
    public override string ToString() => $"{Major}.{Minor}";
}

/// <summary>Free and total memory of a device, in bytes.</summary>
internal readonly record struct GpuMemoryInfo(long Free, long Total);

/// <summary>What is fixed about a device.</summary>
internal sealed record GpuDeviceInfo
{
    /// <summary>Its number among those that the driver shows to this process.</summary>
    public required int Ordinal { get; init; }

    /// <summary>Its name, such as "NVIDIA H200".</summary>
    public required string Name { get; init; }

    /// <summary>"GPU-" and its UUID, as nvidia-smi prints it.</summary>
    public required string Uuid { get; init; }

    public required ComputeCapability ComputeCapability { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int SmCount { get; init; }

    public required long L2Bytes { get; init; }

    /// <summary>Shared memory that one block may ask for, static and dynamic together, in bytes.</summary>
    public required int SharedBytesPerBlockOptIn { get; init; }

    /// <summary>Shared memory of one multiprocessor, in bytes.</summary>
    public required int SharedBytesPerSm { get; init; }

    public required int MaxThreadsPerSm { get; init; }

    public required int MaxThreadsPerBlock { get; init; }

    /// <summary>In bytes.</summary>
    public required long TotalMemory { get; init; }

    /// <summary>The multiprocessors' peak clock.</summary>
    public required int ClockKHz { get; init; }

    /// <summary>The memory's peak clock; two transfers in each cycle.</summary>
    public required int MemoryClockKHz { get; init; }

    public required int BusWidthBits { get; init; }

    /// <summary>How the device is called in a sentence.</summary>
    public string Title => $"cuda:{Ordinal} ({Name})";
}
