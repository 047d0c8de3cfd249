using System.Globalization;

namespace PixioCuda.Interop;

/// <summary>What a kernel is compiled for.</summary>
/// <param name="Major">The compute capability's first figure.</param>
/// <param name="Minor">Its second figure.</param>
/// <param name="Suffix">"a" for the code that runs on exactly this architecture and may use all of it, or nothing.</param>
internal sealed record GpuArchitecture(int Major, int Minor, string Suffix = "")
{
    /// <summary>A100: the oldest that the kernels run on.</summary>
    public static GpuArchitecture Sm80 => new(8, 0);

    /// <summary>RTX 4090, L4, L40.</summary>
    public static GpuArchitecture Sm89 => new(8, 9);

    /// <summary>H100, H200, with wgmma and the tensor memory accelerator.</summary>
    public static GpuArchitecture Sm90A => new(9, 0, "a");

    /// <summary>The name that NVRTC makes a CUBIN for: "sm_90a".</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"sm_{Major}{Minor}{Suffix}");

    /// <summary>The name that NVRTC makes PTX for: "compute_90a".</summary>
    public string VirtualName => string.Create(CultureInfo.InvariantCulture, $"compute_{Major}{Minor}{Suffix}");

    /// <summary>As NVRTC lists it: 90.</summary>
    public int Number => (Major * 10) + Minor;

    /// <summary>The architectures whose code runs on a device, the best one first: its own, then older ones of the same major
    /// version.</summary>
    /// <exception cref="NotSupportedException">The device is older than the kernels need.</exception>
    public static IReadOnlyList<GpuArchitecture> CandidatesFor(ComputeCapability capability)
    {
        if (capability.Major < 8)
        {
            throw new NotSupportedException(
                $"The kernels need a GPU of compute capability 8.0 or later (Ampere), and this one has {capability}. "
                + "Use the CPU backend on this machine.");
        }

        var candidates = new GpuArchitecture[capability.Minor + 1];
        for (int i = 0; i < candidates.Length; i++)
        {
            int minor = capability.Minor - i;
            candidates[i] = new(capability.Major, minor, capability.Major == 9 && minor == 0 ? "a" : "");
        }

        return candidates;
    }

    /// <summary>The architecture to compile for.</summary>
    /// <param name="capability">The device's.</param>
    /// <param name="known">What the NVRTC knows: <see cref="Number"/>s.</param>
    /// <param name="compiler">The NVRTC in a sentence.</param>
    /// <exception cref="NotSupportedException">The NVRTC knows none whose code runs on the device, or the device is too old.</exception>
    public static GpuArchitecture Select(ComputeCapability capability, IReadOnlyList<int> known, string compiler)
    {
        foreach (GpuArchitecture candidate in CandidatesFor(capability))
        {
            if (known.Contains(candidate.Number))
                return candidate;
        }

        throw new NotSupportedException($"{compiler} knows no architecture whose code runs on compute capability {capability} "
            + $"(it knows {string.Join(", ", known.Select(number => $"sm_{number}"))}). "
            + "Take a newer NVRTC: pip install --upgrade nvidia-cuda-nvrtc-cu12.");
    }

    public override string ToString() => Name;
}
