using System.Runtime.CompilerServices;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>The NVRTC that tests/install-cuda-libraries.sh fetches, or the one in the folder that PIXIO_TEST_NVRTC names.</summary>
internal static class RealNvrtc
{
    private static readonly string Root = FindRoot();

    /// <summary>NVRTC's folder; what is in it is not known yet.</summary>
    public static string Folder { get; } = Environment.GetEnvironmentVariable("PIXIO_TEST_NVRTC") ?? Path.Combine(Root, ".cuda", "nvrtc");

    /// <summary>The folder of a driver that reports no device.</summary>
    public static string DriverFolder { get; } = Path.Combine(Root, ".cuda", "driver");

    /// <summary>Skips the running test where there is no NVRTC; on continuous integration it fails instead.</summary>
    public static KernelCompiler Require()
    {
        RequireFolder(Folder);
        return KernelCompiler.Open();
    }

    /// <summary>Skips the running test where a folder is not there; on continuous integration it fails instead.</summary>
    public static void RequireFolder(string folder)
    {
        if (Directory.Exists(folder))
            return;
        string reason = $"There is no folder '{folder}': run tests/install-cuda-libraries.sh.";
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", reason);
        Assert.Skip(reason);
    }

    // The resolver looks once in each process: before any test.
    [ModuleInitializer]
    internal static void Initialize() => Environment.SetEnvironmentVariable(SearchEnvironment.OptionName, Folder);

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PixioCuda.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not lie within the repository.");
        return folder;
    }
}
