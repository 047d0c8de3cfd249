using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace PixioCuda.Tests.Packaging;

/// <summary>The packages, made once from what was built, as "make pack" makes them; and the SDK as a process.</summary>
public sealed class PackageFeed : IDisposable
{
    private static readonly string DotNet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>Of the build: .../tests/PixioCuda.Tests/bin/Release/net10.0/.</summary>
    internal static readonly string Configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    private readonly string? _whyMissing;

    public PackageFeed()
    {
        if (!File.Exists(Path.Combine(Repository, "PixioCuda.sln")))
        {
            _whyMissing = "Packages are made from the repository, and this is not one.";
            return;
        }

        try
        {
            Run(Repository, "--version");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            _whyMissing = $"Packages are made with the .NET SDK, which is not on this machine: {exception.Message}.";
            return;
        }

        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
        Pack("PixioCuda.sln", Folder);
    }

    /// <summary>The repository's folder.</summary>
    public static string Repository { get; } = Path.GetFullPath(TestData.Path("..", ".."));

    /// <summary>Where the packages lie; the sample host's NuGet.config names it.</summary>
    public static string Folder { get; } = Path.Combine(Repository, "out", "packages");

    /// <summary>Where the tests put what they publish.</summary>
    public string Scratch { get; } = Directory.CreateTempSubdirectory("pixio-packages-").FullName;

    /// <summary>Skips the running test where there is no SDK; on continuous integration it fails instead.</summary>
    public void Require()
    {
        if (_whyMissing is null)
            return;
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", _whyMissing);
        Assert.Skip(_whyMissing);
    }

    /// <summary>Makes packages from what was built.</summary>
    public static void Pack(string project, string folder) =>
        Run(Repository, "pack", project, "-c", Configuration, "--no-build", "-o", folder, "-v", "quiet", "-nologo");

    /// <summary>A package's entries, without what every package has.</summary>
    public static Dictionary<string, byte[]> Read(string file)
    {
        using ZipArchive archive = ZipFile.OpenRead(Path.Combine(Folder, file));
        Dictionary<string, byte[]> entries = [];
        foreach (ZipArchiveEntry entry in archive.Entries.Where(entry => !entry.FullName.StartsWith("_rels/", StringComparison.Ordinal)
            && !entry.FullName.StartsWith("package/", StringComparison.Ordinal) && entry.FullName != "[Content_Types].xml"))
        {
            using MemoryStream copy = new();
            using (Stream stream = entry.Open())
                stream.CopyTo(copy);
            entries.Add(entry.FullName, copy.ToArray());
        }

        return entries;
    }

    /// <summary>A package's nuspec.</summary>
    public static XElement Metadata(Dictionary<string, byte[]> package)
    {
        using MemoryStream stream = new(package.Single(entry => entry.Key.EndsWith(".nuspec", StringComparison.Ordinal)).Value);
        XElement root = XDocument.Load(stream).Root!;
        return root.Element(root.Name.Namespace + "metadata")!;
    }

    /// <summary>Runs the SDK's command; fails the test where that fails.</summary>
    public static string Run(string folder, params string[] args) => Run(folder, DotNet, args);

    /// <summary>Runs a program; fails the test where that fails.</summary>
    public static string Run(string folder, string program, string[] args)
    {
        ProcessStartInfo start = new(program, args) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // No server stays behind.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        start.Environment["DOTNET_NOLOGO"] = "1";
        // A source of packages that fails now and then is no fault of what is tested.
        start.Environment["NUGET_ENABLE_ENHANCED_HTTP_RETRY"] = "true";
        start.Environment["NUGET_ENHANCED_MAX_NETWORK_TRY_COUNT"] = "10";
        start.Environment["NUGET_ENHANCED_NETWORK_RETRY_DELAY_MILLISECONDS"] = "1000";
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', args)} ended with {process.ExitCode}.\n{output}\n{error.Result}");
        return output;
    }

    public void Dispose() => Directory.Delete(Scratch, recursive: true);
}
