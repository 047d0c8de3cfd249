namespace PixioCuda.Interop;

/// <summary>The options under which kernels are compiled.</summary>
internal static class KernelOptions
{
    // The first version in which these options have been seen to work.
    private static readonly Version NoSourceIncludeVersion = new(12, 4), MinimalVersion = new(12, 4);

    /// <summary>What is the same for every kernel; a part of the cache's key.</summary>
    public static IReadOnlyList<string> Fixed { get; } =
    [
        "--std=c++17",
        // Unmarked functions are the device's: the kernels have no other.
        "-default-device",
        // Registers, stack, spills and shared memory into the log.
        "--ptxas-options=-v",
    ];

    /// <summary>All options.</summary>
    /// <param name="source">The kernel.</param>
    /// <param name="target">sm_XX for machine code, compute_XX for PTX.</param>
    /// <param name="compiler">The NVRTC's version.</param>
    public static IReadOnlyList<string> Of(KernelSource source, string target, Version compiler)
    {
        var options = new List<string> { $"--gpu-architecture={target}" };
        options.AddRange(Fixed);
        // By itself NVRTC also includes files that lie in the working directory, which belongs to whoever wrote them.
        if (compiler >= NoSourceIncludeVersion)
            options.Add("--no-source-include");
        // No texture and surface types, which no kernel has: a sixth of what the smallest takes to compile.
        if (compiler >= MinimalVersion)
            options.Add("--minimal");
        options.AddRange(source.Defines.Select(define => $"-D{define.Name}={define.Value}"));
        return options;
    }
}
