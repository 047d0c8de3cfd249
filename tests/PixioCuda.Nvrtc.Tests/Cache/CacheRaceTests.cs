using System.Diagnostics;
using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Cache;

/// <summary>Eight processes with one cache and the real NVRTC.</summary>
public sealed class CacheRaceTests : IDisposable
{
    private const int ProcessCount = 8;
    private const int KernelCount = 6;

    private readonly TemporaryFolder _folder = new();

    private string Kernels => Path.Combine(_folder.Root, "kernels");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_empty_cache_is_filled_by_all_at_once()
    {
        RealNvrtc.Require();
        string[][] results = await RaceAsync();
        AssertSame(results);
        AssertWhole();
        Assert.DoesNotContain(results.SelectMany(lines => lines), line => line.StartsWith("warning", StringComparison.Ordinal));

        // Then all is there.
        string[] later = await ProbeProcess.RunAsync(["compile", $"{KernelCount}"], Environment());
        Assert.Equal(KernelCount, later.Count(line => line.Contains(" cached ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_damaged_cache_is_mended_by_all_at_once()
    {
        RealNvrtc.Require();
        string[] before = await ProbeProcess.RunAsync(["compile", $"{KernelCount}"], Environment());
        int damage = 0;
        foreach (string path in Directory.GetFiles(Kernels))
        {
            byte[] bytes = File.ReadAllBytes(path);
            bytes[bytes.Length / 2] ^= 0x10;
            File.WriteAllBytes(path, (damage++ % 3) switch { 0 => bytes, 1 => bytes[..(bytes.Length / 3)], _ => [] });
        }

        string[][] results = await RaceAsync();
        AssertSame(results);
        AssertWhole();
        Assert.Equal(Hashes(before), Hashes(results[0]));
    }

    [Fact]
    public async Task A_cache_that_was_shipped_needs_no_compiler()
    {
        RealNvrtc.Require();
        using var empty = new TemporaryFolder();
        string[] before = await ProbeProcess.RunAsync(["compile", $"{KernelCount}"], Environment());
        string[] after = await ProbeProcess.RunAsync(
            ["compile", $"{KernelCount + 1}"], ("PIXIO_CACHE_DIR", _folder.Root), ("PIXIO_CUDA_LIBRARIES", empty.Root),
            ("CUDA_HOME", null), ("CUDA_PATH", null), ("VIRTUAL_ENV", null), ("CONDA_PREFIX", null), ("LD_LIBRARY_PATH", null));
        if (after[^1].Contains(" compiled ", StringComparison.Ordinal))
            Assert.Skip("This machine has an NVRTC of its own, so a process without one cannot be had.");
        Assert.Equal(Hashes(before), Hashes(after));
        Assert.Equal($"{KernelCount} missing: NVRTC (CUDA's run-time compiler) was not found", after[^1]);
    }

    private static string[] Hashes(string[] lines)
        => [.. lines.Where(
            line => line.Contains(" compiled ", StringComparison.Ordinal) || line.Contains(" cached ", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[0] + " " + line.Split(' ')[2])];

    private static void AssertSame(string[][] results)
    {
        foreach (string[] lines in results)
        {
            Assert.Equal(KernelCount, Hashes(lines).Length);
            Assert.Equal(Hashes(results[0]), Hashes(lines));
        }
    }

    private (string, string?)[] Environment() => [("PIXIO_CACHE_DIR", _folder.Root), ("PIXIO_CUDA_LIBRARIES", RealNvrtc.Folder)];

    // All are ready before the first may begin.
    private async Task<string[][]> RaceAsync()
    {
        Process[] processes = [.. Enumerable.Range(0, ProcessCount)
            .Select(_ => ProbeProcess.Start(["compile", $"{KernelCount}"], null, Environment()))];
        foreach (Process process in processes)
            Assert.Equal("ready", await process.StandardOutput.ReadLineAsync());
        string[][] results = await Task.WhenAll(processes.Select(ProbeProcess.EndAsync));
        foreach (Process process in processes)
            process.Dispose();
        return results;
    }

    private void AssertWhole()
    {
        // No temporary file is left, and every entry is whole.
        string[] files = Directory.GetFileSystemEntries(Kernels);
        Assert.Equal(KernelCount, files.Length);
        foreach (string path in files)
        {
            var key = new KernelKey(Path.GetFileName(path)[..64]);
            Assert.Null(CacheEntry.Read(File.ReadAllBytes(path), key, out CompiledKernel? kernel));
            Assert.Equal("\u007fELF"u8.ToArray(), kernel!.Cubin[..4]);
        }
    }
}
