using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Xunit;

namespace PixioCuda.Tests.Packaging;

/// <summary>One after another: they share the folder of packages and the sample host's.</summary>
[CollectionDefinition(nameof(Packages))]
public sealed class Packages : ICollectionFixture<PackageFeed>;

/// <summary>What is in the packages, and what is not.</summary>
[Collection(nameof(Packages))]
public class PackageTests(PackageFeed feed)
{
    private const string Version = "0.1.0";

    [Fact]
    public void The_library_is_one_package_with_the_kernels_inside_and_no_native_code()
    {
        feed.Require();
        Dictionary<string, byte[]> package = PackageFeed.Read($"PixioCuda.{Version}.nupkg");
        Assert.Equal(
            ["PixioCuda.nuspec", "README.md", "lib/net10.0/PixioCuda.Interop.dll", "lib/net10.0/PixioCuda.Kernels.dll", "lib/net10.0/PixioCuda.dll",
                "lib/net10.0/PixioCuda.xml"],
            package.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["Microsoft.Extensions.Logging.Abstractions", "StbImageSharp", "System.Numerics.Tensors"], Dependencies(package));

        using PEReader kernels = new(new MemoryStream(package["lib/net10.0/PixioCuda.Kernels.dll"]));
        MetadataReader metadata = kernels.GetMetadataReader();
        string[] packed = [.. metadata.ManifestResources.Select(handle => metadata.GetString(metadata.GetManifestResource(handle).Name))];
        string[] sources = [.. Directory.GetFiles(Path.Combine(PackageFeed.Repository, "kernels"), "*.cu*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".cu" or ".cuh").Select(Path.GetFileName).OfType<string>()];
        Assert.NotEmpty(sources);
        Assert.Equal(sources.Order(StringComparer.Ordinal), packed.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("PixioCuda.Skia", "PixioCuda", "SkiaSharp", "SkiaSharp.NativeAssets.Linux.NoDependencies")]
    [InlineData("PixioCuda.Extensions.AI", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.Diagnostics.HealthChecks",
        "Microsoft.Extensions.Options", "PixioCuda")]
    public void The_other_libraries_are_an_assembly_each(string name, params string[] dependencies)
    {
        feed.Require();
        Dictionary<string, byte[]> package = PackageFeed.Read($"{name}.{Version}.nupkg");
        Assert.Equal([$"{name}.nuspec", "README.md", $"lib/net10.0/{name}.dll", $"lib/net10.0/{name}.xml"], package.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(dependencies, Dependencies(package));
    }

    [Theory]
    [InlineData("PixioCuda")]
    [InlineData("PixioCuda.Skia")]
    [InlineData("PixioCuda.Extensions.AI")]
    [InlineData("pixio")]
    public void Every_package_has_licence_readme_and_symbols_and_no_path_of_the_machine(string name)
    {
        feed.Require();
        Dictionary<string, byte[]> package = PackageFeed.Read($"{name}.{Version}.nupkg"), symbols = PackageFeed.Read($"{name}.{Version}.snupkg");
        XElement metadata = PackageFeed.Metadata(package);
        Assert.Equal("Apache-2.0", Value("license"));
        Assert.Equal("README.md", Value("readme"));
        Assert.True(Value("description").Length > 40);
        // An assembly of ours is one with symbols of ours.
        string[] own = [.. symbols.Keys.Where(entry => entry.EndsWith(".pdb", StringComparison.Ordinal)).Select(entry => entry[..^4])];
        Assert.Equal(
            package.Keys.Where(entry => entry.EndsWith(".dll", StringComparison.Ordinal)
                && Path.GetFileName(entry) is string file && (file.StartsWith("PixioCuda", StringComparison.Ordinal) || file == "pixio.dll"))
                .Select(entry => entry[..^4]).Order(StringComparer.Ordinal),
            own.Order(StringComparer.Ordinal));
        foreach (string assembly in own)
            CheckSymbols(package[$"{assembly}.dll"], symbols[$"{assembly}.pdb"], assembly);

        string Value(string element) => metadata.Element(metadata.Name.Namespace + element)?.Value ?? "";
    }

    [Fact]
    public void The_tool_installs_and_runs()
    {
        feed.Require();
        string tools = Path.Combine(feed.Scratch, "tools"), config = Path.Combine(feed.Scratch, "NuGet.config");
        File.WriteAllText(config, $"""<configuration><packageSources><clear /><add key="packed" value="{PackageFeed.Folder}" /></packageSources></configuration>""");
        PackageFeed.Run(feed.Scratch, "tool", "install", "pixio", "--tool-path", tools, "--version", Version, "--configfile", config, "--no-cache");
        string model = TestData.Path("tiny"), cat = TestData.Path("images", "cat.png");
        string output = PackageFeed.Run(feed.Scratch, Path.Combine(tools, "pixio"), ["embed", cat, "--model", model, "--device", "cpu"]);
        Assert.StartsWith($"{cat}: [", output, StringComparison.Ordinal);
    }

    /// <summary>The assembly says that its bits follow from its sources alone; the symbols are its own, name no folder of this machine, and
    /// either carry each source or say where it is to be had.</summary>
    private static void CheckSymbols(byte[] assembly, byte[] symbols, string name)
    {
        using PEReader image = new(new MemoryStream(assembly));
        DebugDirectoryEntry[] entries = [.. image.ReadDebugDirectory()];
        Assert.Contains(entries, entry => entry.Type == DebugDirectoryEntryType.Reproducible);
        CodeViewDebugDirectoryData codeView = image.ReadCodeViewDebugDirectoryData(entries.Single(entry => entry.Type == DebugDirectoryEntryType.CodeView));
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbStream(new MemoryStream(symbols));
        MetadataReader reader = provider.GetMetadataReader();
        Assert.Equal(codeView.Guid, new BlobContentId(reader.DebugMetadataHeader!.Id).Guid);

        Guid embeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");
        HashSet<DocumentHandle> carried = [.. reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation)
            .Where(information => reader.GetGuid(information.Kind) == embeddedSource).Select(information => (DocumentHandle)information.Parent)];
        Assert.NotEmpty(reader.Documents);
        foreach (DocumentHandle document in reader.Documents)
        {
            string path = reader.GetString(reader.GetDocument(document).Name);
            Assert.True(path.StartsWith("/_", StringComparison.Ordinal), $"The symbols of {name} name {path}.");
            Assert.True(carried.Contains(document), $"The symbols of {name} do not carry {path}.");
        }

        Assert.Equal(-1, assembly.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(PackageFeed.Repository)));
    }

    private static string[] Dependencies(Dictionary<string, byte[]> package) =>
        [.. PackageFeed.Metadata(package).Descendants().Where(element => element.Name.LocalName == "dependency")
            .Select(element => element.Attribute("id")!.Value).Order(StringComparer.Ordinal)];
}
