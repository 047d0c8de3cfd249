using System.Globalization;
using System.Runtime.InteropServices;
using PixioCuda.Skia;
using Xunit;

namespace PixioCuda.Tests.Packaging;

/// <summary>The sample host under tests/host links the packages from a folder, as any other program would, and gives the library's own
/// numbers however it is published. A warning of the trimmer or of the AOT compiler fails the publish.</summary>
[Collection(nameof(Packages))]
[Trait("Category", "Publish")]
public class HostTests(PackageFeed feed)
{
    private const long LargestAot = 25_000_000;

    private static readonly string HostFolder = Path.Combine(PackageFeed.Repository, "tests", "host");

    [Fact]
    public void A_trimmed_host_gives_the_librarys_numbers()
    {
        feed.Require();
        CheckNumbers(Publish("trimmed", "-p:PublishTrimmed=true", "--self-contained", "-p:TieredCompilation=false"));
    }

    [Fact]
    public void A_host_of_native_code_gives_the_librarys_numbers_and_is_small()
    {
        feed.Require();
        if (OperatingSystem.IsLinux() && !new[] { "clang", "gcc" }.Any(IsInstalled))
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", "NativeAOT links with clang or gcc, which are not on this machine.");
            Assert.Skip("NativeAOT links with clang or gcc, which are not on this machine.");
        }

        string folder = Publish("native", "-p:PublishAot=true");
        CheckNumbers(folder);
        long byteCount = new DirectoryInfo(folder).EnumerateFiles().Where(file => file.Extension is not (".dbg" or ".pdb")).Sum(file => file.Length);
        Assert.True(byteCount < LargestAot, $"The published host takes {byteCount:N0} bytes.");
        Assert.DoesNotContain(Directory.GetFiles(folder), file => file.EndsWith(".dll", StringComparison.Ordinal));
    }

    private string Publish(string name, params string[] properties)
    {
        // The packages were made again, under the same version.
        foreach (string package in new[] { "pixiocuda", "pixiocuda.skia", "pixiocuda.extensions.ai" })
        {
            string unpacked = Path.Combine(HostFolder, "packages", package);
            if (Directory.Exists(unpacked))
                Directory.Delete(unpacked, recursive: true);
        }

        string target = Path.Combine(feed.Scratch, name);
        string output = PackageFeed.Run(HostFolder, ["publish", "PixioCuda.Host.csproj", "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier,
            "-nologo", "-v", "quiet", $"-p:PublishDir={target}/", "-p:UseSharedCompilation=false", .. properties]);
        Assert.DoesNotContain("warning", output, StringComparison.OrdinalIgnoreCase);
        return target;
    }

    private static void CheckNumbers(string folder)
    {
        string picture = TestData.Path("images", "coffee-422.jpg");
        using PixioModel model = PixioModel.Load(TestData.Path("tiny"), new PixioModelOptions { Device = "cpu", Decoder = new SkiaImageDecoder() });
        string expected = string.Join('\n', model.Embed(picture).Select(value => BitConverter.SingleToUInt32Bits(value).ToString("X8", CultureInfo.InvariantCulture)));
        // By the model itself, and by the services of PixioCuda.Extensions.AI.
        foreach (string command in new[] { "embed", "generate" })
            Assert.Equal(expected, PackageFeed.Run(folder, Path.Combine(folder, "host"), [command, TestData.Path("tiny"), picture]).Trim());
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));
}
