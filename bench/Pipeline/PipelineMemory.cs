using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PixioCuda.Bench.Pipeline;

/// <summary>The peak memory of the command <c>pixio</c> on many small pictures, beside that on a tenth of them; no picture may be lost or
/// come twice.</summary>
internal static class PipelineMemory
{
    private const int TarPictures = 10_000;

    public static int Run(int pictures)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("pixio-bench-");
        try
        {
            for (int first = 0; first < pictures; first += TarPictures)
                BenchPictures.WriteTar(Tar(folder, first), first, Math.Min(TarPictures, pictures - first), ".bmp", BenchPictures.Bitmap);
            double tenth = Measure(folder, pictures / 10), all = Measure(folder, pictures);
            double ratio = all / tenth;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"peak of {pictures} pictures is {ratio:F3} times that of {pictures / 10}"));
            return ratio <= 1.1 ? 0 : 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Tar(DirectoryInfo folder, int first) => Path.Combine(folder.FullName, $"{first / TarPictures:D4}.tar");

    private static double Measure(DirectoryInfo folder, int pictures)
    {
        string output = Path.Combine(folder.FullName, $"out-{pictures}");
        string pixio = Path.Combine(Repository.Root, "engine", "PixioCuda.Cli", "bin", "Release", "net10.0", "pixio");
        long began = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo(pixio,
        [
            "embed", .. Enumerable.Range(0, pictures / TarPictures).Select(index => Tar(folder, index * TarPictures)),
            "--model", Path.Combine(Repository.Root, "tests", "data", "tiny"), "--format", "npy", "--output", output, "--batch", "8",
            "--quiet",
        ])
        {
            RedirectStandardOutput = true,
        })!;
        _ = process.StandardOutput.ReadToEndAsync();
        // The system's own high-water mark; the process that has ended has none, so that the last look before is what counts.
        long peak = 0;
        while (!process.WaitForExit(20))
            peak = Math.Max(peak, HighWaterMark(process.Id));
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"pixio ended with {process.ExitCode}.");
        HashSet<string> ids = [];
        int rows = 0;
        foreach (string description in Directory.GetFiles(output, "*.npy.json"))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(description));
            foreach (JsonElement id in json.RootElement.GetProperty("images").EnumerateArray())
            {
                rows++;
                ids.Add(id.GetString()!);
            }
        }

        if (rows != pictures || ids.Count != pictures)
            throw new InvalidOperationException($"Of {pictures} pictures {rows} came, {ids.Count} different ones.");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{pictures} pictures: peak {peak / 1024.0:F1} MB, {pictures / seconds:F0} images/s, none lost, none twice"));
        return peak;
    }

    private static long HighWaterMark(int process)
    {
        try
        {
            string? line = File.ReadLines($"/proc/{process}/status")
                .FirstOrDefault(text => text.StartsWith("VmHWM:", StringComparison.Ordinal));
            string[] words = line?.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries) ?? [];
            return words.Length < 2 ? 0 : long.Parse(words[^2], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
