using System.Globalization;
using System.Text;

namespace PixioCuda.Interop;

/// <summary>The devices that the driver shows to this process.</summary>
internal static unsafe class GpuDevices
{
    /// <summary>Describes all of them.</summary>
    public static IReadOnlyList<GpuDeviceInfo> List()
    {
        CudaDriver.Initialize();
        CudaErrors.Check(CudaDriverApi.cuDeviceGetCount(out int count), nameof(CudaDriverApi.cuDeviceGetCount));
        var devices = new GpuDeviceInfo[count];
        for (int ordinal = 0; ordinal < count; ordinal++)
            devices[ordinal] = Describe(ordinal);
        return devices;
    }

    /// <summary>Finds the device that a text names: "cuda", "cuda:1", "GPU-" and its UUID.</summary>
    /// <exception cref="ArgumentException">The text names none.</exception>
    public static GpuDeviceInfo Find(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        IReadOnlyList<GpuDeviceInfo> devices = List();
        if (id.StartsWith("GPU-", StringComparison.OrdinalIgnoreCase))
            return devices.FirstOrDefault(device => device.Uuid.Equals(id, StringComparison.OrdinalIgnoreCase))
                ?? throw Unknown(id, devices);

        int ordinal = 0;
        bool named = id == "cuda" || (id.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(id.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out ordinal));
        return named && ordinal < devices.Count ? devices[ordinal] : throw Unknown(id, devices);
    }

    /// <summary>Describes one.</summary>
    /// <exception cref="ArgumentException">There is no device of that number.</exception>
    public static GpuDeviceInfo Find(int ordinal)
    {
        IReadOnlyList<GpuDeviceInfo> devices = List();
        return ordinal >= 0 && ordinal < devices.Count
            ? devices[ordinal] : throw Unknown(string.Create(CultureInfo.InvariantCulture, $"cuda:{ordinal}"), devices);
    }

    /// <summary>The driver's own number for a device.</summary>
    public static int Handle(int ordinal)
    {
        CudaErrors.Check(CudaDriverApi.cuDeviceGet(out int device, ordinal), nameof(CudaDriverApi.cuDeviceGet));
        return device;
    }

    private static ArgumentException Unknown(string id, IReadOnlyList<GpuDeviceInfo> devices) => new(
        $"There is no device '{id}'. " + (devices.Count == 0
            ? "The driver shows none."
            : $"Name one as cuda:N or by its UUID; the driver shows "
                + string.Join(", ", devices.Select(device => $"{device.Title} {device.Uuid}")) + "."));

    private static GpuDeviceInfo Describe(int ordinal)
    {
        int device = Handle(ordinal);
        CudaErrors.Check(CudaDriverApi.cuDeviceTotalMem_v2(out nuint totalMemory, device), nameof(CudaDriverApi.cuDeviceTotalMem_v2));
        return new GpuDeviceInfo
        {
            Ordinal = ordinal,
            Name = NameOf(device),
            Uuid = UuidOf(device),
            ComputeCapability = new ComputeCapability(
                Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)),
            SmCount = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
            L2Bytes = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE),
            SharedBytesPerBlockOptIn = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
            SharedBytesPerSm = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
            MaxThreadsPerSm = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR),
            MaxThreadsPerBlock = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
            TotalMemory = checked((long)totalMemory),
            ClockKHz = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
            MemoryClockKHz = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE),
            BusWidthBits = Attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH),
        };
    }

    private static int Attribute(int device, CUdevice_attribute attribute)
    {
        CudaErrors.Check(CudaDriverApi.cuDeviceGetAttribute(out int value, attribute, device), nameof(CudaDriverApi.cuDeviceGetAttribute));
        return value;
    }

    private static string NameOf(int device)
    {
        const int Length = 256;
        byte* name = stackalloc byte[Length];
        CudaErrors.Check(CudaDriverApi.cuDeviceGetName(name, Length, device), nameof(CudaDriverApi.cuDeviceGetName));
        var text = new ReadOnlySpan<byte>(name, Length);
        int end = text.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? text : text[..end]);
    }

    private static string UuidOf(int device)
    {
        CUuuid uuid;
        CudaErrors.Check(CudaDriverApi.cuDeviceGetUuid_v2(&uuid, device), nameof(CudaDriverApi.cuDeviceGetUuid_v2));
        return "GPU-" + new Guid(new ReadOnlySpan<byte>(uuid.Bytes, 16), bigEndian: true).ToString("D");
    }
}
