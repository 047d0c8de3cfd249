using PixioCuda.Hub;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

/// <summary>Caches that others have written, and work without a network.</summary>
public class HubCacheTests
{
    [Fact]
    public async Task A_cache_that_python_left_is_used_offline()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string snapshot = WriteAsPythonDoes(hub, cache, "config.json", "preprocessor_config.json", "model.safetensors");
        HubOptions options = hub.Options(cache.Root) with { Offline = true };
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, options);
        Assert.Equal(snapshot, folder);
        Assert.Empty(hub.Hub.Requests);
        using PixioModel model = PixioModel.Load(FakeHub.Repository, new PixioModelOptions { Hub = options });
        Assert.Equal(64, model.Config.HiddenSize);
    }

    [Fact]
    public async Task What_python_left_is_not_downloaded_again()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        // AutoConfig alone leaves this.
        WriteAsPythonDoes(hub, cache, "config.json");
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal(hub["model.safetensors"], File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        Assert.DoesNotContain(hub.Hub.Gets, request => request.Target.EndsWith("/config.json", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_blob_of_another_commit_is_linked_and_not_fetched()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        PythonCache.Write(hub, cache.Root, new string('b', 40), "config.json", "preprocessor_config.json", "model.safetensors");
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.EndsWith(FakeHub.Commit, folder, StringComparison.Ordinal);
        Assert.Empty(hub.Hub.Gets);
        Assert.Empty(hub.Cdn.Requests);
        Assert.Equal(hub["model.safetensors"], File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(cache.File("models--facebook--pixio-tiny/refs/main")));
    }

    [Fact]
    public async Task A_blob_that_was_cut_short_is_fetched_again()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        Directory.CreateDirectory(cache.File("models--facebook--pixio-tiny/blobs"));
        cache.Write($"models--facebook--pixio-tiny/blobs/{hub.Weights}", hub["model.safetensors"].AsSpan(0, 1000));
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal(hub["model.safetensors"], File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
    }

    [Fact]
    public async Task A_link_whose_blob_is_gone_is_no_file()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        File.Delete(cache.File($"models--facebook--pixio-tiny/blobs/{hub.Weights}"));
        Assert.Contains("lacks 'model.safetensors'", (await OfflineFails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Equal(folder, await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root)));
        Assert.Equal(hub["model.safetensors"], File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        Assert.Equal(2, hub.Cdn.Requests.Length);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public async Task Offline_says_which_file_is_missing_where(string missing)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string snapshot = WriteAsPythonDoes(hub, cache, missing == "config.json" ? ["model.safetensors"] : ["config.json"]);
        string message = (await OfflineFails(hub, cache)).Message;
        Assert.Contains($"lacks '{missing}' in '{snapshot}'", message, StringComparison.Ordinal);
        Assert.Contains("HF_HUB_OFFLINE", message, StringComparison.Ordinal);
        Assert.Empty(hub.Hub.Requests);
    }

    [Fact]
    public async Task Offline_names_the_shards_that_are_missing()
    {
        using FakeHub hub = new("tiny-sharded");
        using TemporaryFolder cache = new();
        WriteAsPythonDoes(hub, cache, "config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors");
        string message = (await OfflineFails(hub, cache)).Message;
        Assert.Contains("lacks 'model-00002-of-00002.safetensors' in", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Offline_says_where_an_unknown_revision_was_looked_for()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string message = (await OfflineFails(hub, cache)).Message;
        Assert.Contains($"no 'main' in '{cache.File("models--facebook--pixio-tiny/refs")}'", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Offline_needs_no_preprocessor_config()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string snapshot = WriteAsPythonDoes(hub, cache, "config.json", "model.safetensors");
        Assert.Equal(snapshot, await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root) with { Offline = true }));
    }

    private static async Task<HubException> OfflineFails(FakeHub hub, TemporaryFolder cache) => await Assert.ThrowsAsync<HubException>(
        () => PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root) with { Offline = true }));

    private static string WriteAsPythonDoes(FakeHub hub, TemporaryFolder cache, params string[] files) =>
        PythonCache.Write(hub, cache.Root, FakeHub.Commit, files);
}

/// <summary>Writes a cache as Python's huggingface_hub does, by hand.</summary>
internal static class PythonCache
{
    /// <returns>The snapshot's folder.</returns>
    public static string Write(FakeHub hub, string cache, string commit, params string[] files)
    {
        string root = Path.Combine(cache, "models--facebook--pixio-tiny");
        string snapshot = Path.Combine(root, "snapshots", commit);
        foreach (string folder in new[] { "blobs", "refs", $"snapshots/{commit}" })
            Directory.CreateDirectory(Path.Combine(root, folder));
        // Without a line break at its end, as write_text leaves it.
        File.WriteAllText(Path.Combine(root, "refs", "main"), commit);
        foreach (string file in files)
        {
            string hash = FakeHub.HashOf(file, hub[file]);
            File.WriteAllBytes(Path.Combine(root, "blobs", hash), hub[file]);
            File.CreateSymbolicLink(Path.Combine(snapshot, file), $"../../blobs/{hash}");
        }

        return snapshot;
    }
}
