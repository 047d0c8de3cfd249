using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
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
    private const string Version = "0.1.0", Images = "runtimes/linux-x64/lib/net10.0";

    private static readonly string[] Libraries = ["PixioCuda.Interop", "PixioCuda.Kernels", "PixioCuda"];

    /// <summary>Where the build compiles ahead (Directory.Build.targets).</summary>
    private static bool MakesImages => OperatingSystem.IsLinux() && RuntimeInformation.OSArchitecture == Architecture.X64
        && PackageFeed.Configuration == "Release";

    [Fact]
    public void The_library_is_one_package_with_the_kernels_inside_and_no_native_code()
    {
        feed.Require();
        Dictionary<string, byte[]> package = PackageFeed.Read($"PixioCuda.{Version}.nupkg");
        string[] portable = ["PixioCuda.nuspec", "README.md", .. Libraries.Select(name => $"lib/net10.0/{name}.dll"), "lib/net10.0/PixioCuda.xml"];
        string[] images = MakesImages ? [.. Libraries.Select(name => $"{Images}/{name}.dll")] : [];
        Assert.Equal(portable.Concat(images).Order(StringComparer.Ordinal), package.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["Microsoft.Extensions.Logging.Abstractions", "StbImageSharp", "System.Numerics.Tensors"], Dependencies(package));

        using PEReader kernels = new(new MemoryStream(package["lib/net10.0/PixioCuda.Kernels.dll"]));
        MetadataReader metadata = kernels.GetMetadataReader();
        string[] packed = [.. metadata.ManifestResources.Select(handle => metadata.GetString(metadata.GetManifestResource(handle).Name))];
        string[] sources = [.. Directory.GetFiles(Path.Combine(PackageFeed.Repository, "kernels"), "*.cu*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".cu" or ".cuh").Select(Path.GetFileName).OfType<string>()];
        Assert.NotEmpty(sources);
        Assert.Equal(sources.Order(StringComparer.Ordinal), packed.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void What_is_compiled_ahead_is_in_the_folder_of_its_system_and_nowhere_else()
    {
        feed.Require();
        int images = 0;
        foreach (string file in Directory.GetFiles(PackageFeed.Folder, "*.nupkg"))
        {
            foreach ((string entry, byte[] bytes) in PackageFeed.Read(Path.GetFileName(file)))
            {
                if (!entry.EndsWith(".dll", StringComparison.Ordinal) || !IsOwn(entry))
                    continue;
                bool isImage = IsImage(bytes);
                Assert.True(isImage == entry.StartsWith(Images, StringComparison.Ordinal), $"{Path.GetFileName(file)}: {entry}");
                images += isImage ? 1 : 0;
            }
        }

        Assert.Equal(MakesImages ? Libraries.Length : 0, images);
        // And this program runs from them: what is tested is what is packed.
        foreach (string library in Libraries)
            Assert.Equal(MakesImages, IsImage(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, $"{library}.dll"))));
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
        string[] images = [.. package.Keys.Where(entry => entry.StartsWith(Images, StringComparison.Ordinal))];
        Assert.Equal(
            package.Keys.Except(images).Where(entry => entry.EndsWith(".dll", StringComparison.Ordinal) && IsOwn(entry))
                .Select(entry => entry[..^4]).Order(StringComparer.Ordinal),
            own.Order(StringComparer.Ordinal));
        foreach (string assembly in own)
            CheckSymbols(package[$"{assembly}.dll"], symbols[$"{assembly}.pdb"], assembly);
        // An image has the symbols of the assembly that it was made from.
        foreach (string image in images)
            CheckSymbols(package[image], symbols[$"lib/net10.0/{Path.GetFileNameWithoutExtension(image)}.pdb"], image);

        string Value(string element) => metadata.Element(metadata.Name.Namespace + element)?.Value ?? "";
    }

    [Fact]
    public void Packing_again_gives_the_same_bytes()
    {
        feed.Require();
        string again = Path.Combine(feed.Scratch, "again");
        PackageFeed.Pack(Path.Combine("engine", "PixioCuda", "PixioCuda.csproj"), again);
        string[] files = [$"PixioCuda.{Version}.nupkg", $"PixioCuda.{Version}.snupkg"];
        foreach (string file in files)
            Assert.Equal(File.ReadAllBytes(Path.Combine(PackageFeed.Folder, file)), File.ReadAllBytes(Path.Combine(again, file)));
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

    private static bool IsOwn(string entry)
        => Path.GetFileName(entry) is string file && (file.StartsWith("PixioCuda", StringComparison.Ordinal) || file == "pixio.dll");

    /// <summary>Whether an assembly carries native code beside its IL, which is what a managed native header is for.</summary>
    private static bool IsImage(byte[] assembly)
    {
        using PEReader reader = new(new MemoryStream(assembly));
        return reader.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory.Size > 0;
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
