using PixioCuda.Hub;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

/// <summary>Downloads from a server that plays the hub: what arrives, where it is put, and who is told the token.</summary>
public class HubDownloadTests
{
    private const string WeightsFile = "model.safetensors";

    [Fact]
    public async Task A_model_arrives_in_the_layout_of_huggingface_hub()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));

        string root = cache.File("models--facebook--pixio-tiny");
        Assert.Equal(Path.Combine(root, "snapshots", FakeHub.Commit), folder);
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(root, "refs", "main")));
        string[] files = ["config.json", WeightsFile, "preprocessor_config.json"];
        Assert.Equal(files, Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (string file in files)
        {
            string hash = FakeHub.HashOf(file, hub[file]);
            Assert.Equal($"../../blobs/{hash}", new FileInfo(Path.Combine(folder, file)).LinkTarget);
            Assert.Equal(hub[file], File.ReadAllBytes(Path.Combine(root, "blobs", hash)));
        }

        // Nothing else: no half file, no temporary one.
        Assert.Equal(3, Directory.GetFileSystemEntries(Path.Combine(root, "blobs")).Length);
        Assert.Equal(["blobs", "refs", "snapshots"], Directory.GetFileSystemEntries(root).Select(Path.GetFileName).Order());
        Assert.Equal(3, Directory.GetFiles(cache.File(".locks/models--facebook--pixio-tiny"), "*.lock").Length);
    }

    [Fact]
    public void A_model_from_the_hub_computes_what_its_folder_does()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        float[] pixels = [.. Enumerable.Range(0, 3 * 64 * 64).Select(i => MathF.Sin(i))];
        Assert.Equal(Run(TestData.Path("tiny"), null), Run(FakeHub.Repository, hub.Options(cache.Root)));

        float[] Run(string name, HubOptions? options)
        {
            using PixioModel model = PixioModel.Load(name, new PixioModelOptions { Hub = options });
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), new EncoderTaps { LastHiddenState = true });
            model.Run(pixels, outputs);
            return outputs.Values.ToArray();
        }
    }

    [Fact]
    public async Task What_is_in_the_cache_costs_one_request_that_asks_for_the_commit()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string first = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        int before = hub.Hub.Requests.Length;
        Assert.Equal(first, await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root)));
        LoopbackRequest request = Assert.Single(hub.Hub.Requests[before..]);
        Assert.Equal($"HEAD /{FakeHub.Repository}/resolve/main/config.json", request.ToString());

        // A commit never changes, so that nobody is asked.
        Assert.Equal(first, await PixioHub.DownloadAsync($"{FakeHub.Repository}@{FakeHub.Commit}", hub.Options(cache.Root)));
        Assert.Equal(before + 1, hub.Hub.Requests.Length);
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_to_nobody_else()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.NotEmpty(hub.Hub.Requests);
        Assert.All(hub.Hub.Requests, request => Assert.Equal($"Bearer {FakeHub.Token}", request.Authorization));
        Assert.Equal("GET", Assert.Single(hub.Cdn.Requests).Method);
        Assert.Null(hub.Cdn.Requests[0].Authorization);
        Assert.DoesNotContain(hub.Cdn.Requests[0].Headers.Values, value => value.Contains(FakeHub.Token, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_name_for_the_same_machine_is_another_host()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string localhost = $"http://localhost:{hub.Hub.Port}";
        hub.InterceptHub = request => request is { Method: "GET", Authorization: not null } && FakeHub.IsLarge(request.Target)
            ? new LoopbackResponse(302) { Headers = { ["Location"] = $"{localhost}/elsewhere/{WeightsFile}" } }
            : request.Target.StartsWith("/elsewhere/", StringComparison.Ordinal) ? hub.Content(request) : null;
        await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Null(hub.Hub.Requests.Single(request => request.Target.StartsWith("/elsewhere/", StringComparison.Ordinal)).Authorization);
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_with_the_token()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => request.Target.StartsWith("/old/name/", StringComparison.Ordinal)
            ? new LoopbackResponse(307) { Headers = { ["Location"] = $"/{FakeHub.Repository}/{request.Target["/old/name/".Length..]}" } }
            : null;
        string folder = await PixioHub.DownloadAsync("old/name", hub.Options(cache.Root));
        Assert.True(File.Exists(Path.Combine(folder, WeightsFile)));
        Assert.All(hub.Hub.Requests, request => Assert.NotNull(request.Authorization));
    }

    [Theory]
    [InlineData("v1.0", "v1.0")]
    [InlineData("refs/pr/1", "refs%2Fpr%2F1")]
    public async Task A_revision_is_asked_for_and_remembered(string revision, string escaped)
    {
        using FakeHub hub = new();
        hub.Revisions.Add(revision);
        using TemporaryFolder cache = new();
        await PixioHub.DownloadAsync($"{FakeHub.Repository}@{revision}", hub.Options(cache.Root));
        Assert.Equal($"/{FakeHub.Repository}/resolve/{escaped}/config.json", hub.Hub.Requests[0].Target);
        // What follows is asked for at the commit: a branch that moves meanwhile does not mix two of them.
        Assert.All(
            hub.Hub.Requests[1..], request => Assert.Contains($"/resolve/{FakeHub.Commit}/", request.Target, StringComparison.Ordinal));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(cache.File($"models--facebook--pixio-tiny/refs/{revision}")));
        Assert.False(File.Exists(cache.File("models--facebook--pixio-tiny/refs/main")));
    }

    [Fact]
    public async Task Shards_come_several_at_once()
    {
        using FakeHub hub = new("tiny-sharded");
        using TemporaryFolder cache = new();
        using CountdownEvent both = new(2);
        TaskCompletionSource gate = new();
        hub.InterceptCdn = request =>
        {
            if (both.Signal())
                gate.TrySetResult();
            // The first is only answered when the second was asked for.
            return hub.Content(request) with { Gate = gate.Task };
        };
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal(2, hub.Cdn.Requests.Length);
        using PixioModel model = PixioModel.Load(folder);
        Assert.False(model.IsRandom);
        Assert.DoesNotContain(hub.Hub.Gets, request => request.Target.EndsWith("/model.safetensors", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_file_that_the_repository_does_not_have_is_not_asked_for_again()
    {
        using FakeHub hub = new();
        hub.Remove("preprocessor_config.json");
        using TemporaryFolder cache = new();
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.True(File.Exists(cache.File($"models--facebook--pixio-tiny/.no_exist/{FakeHub.Commit}/preprocessor_config.json")));
        int before = hub.Hub.Requests.Length;
        Assert.Equal(folder, await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root)));
        Assert.Equal(before + 1, hub.Hub.Requests.Length);
    }

    [Fact]
    public async Task Progress_ends_at_the_whole_and_the_licence_is_stated_at_the_first_download_alone()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        ProgressLog progress = new();
        List<string> notices = [];
        HubOptions options = hub.Options(cache.Root) with { Progress = progress, Notice = notices.Add };
        await PixioHub.DownloadAsync(FakeHub.Repository, options);
        long total = hub[WeightsFile].Length + hub["preprocessor_config.json"].Length;
        Assert.Equal(new HubProgress(total, total), progress.Reports[^1]);
        Assert.Equal(progress.Reports.OrderBy(report => report.DownloadedByteCount), progress.Reports);
        string licence = Assert.Single(notices, notice => notice.Contains("FAIR Noncommercial Research Licence", StringComparison.Ordinal));
        Assert.Contains("https://huggingface.co/facebook/pixio-tiny", licence, StringComparison.Ordinal);
        Assert.Contains(notices, notice => notice.StartsWith("Downloading 2 files", StringComparison.Ordinal));

        notices.Clear();
        await PixioHub.DownloadAsync(FakeHub.Repository, options);
        Assert.Empty(notices);
    }

    [Fact]
    public void Options_do_not_show_the_token()
    {
        HubOptions options = new() { Token = FakeHub.Token };
        Assert.DoesNotContain(FakeHub.Token, options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(FakeHub.Token, new PixioModelOptions { Hub = options }.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(FakeHub.Token, HubSettings.Read(options, _ => null).ToString(), StringComparison.Ordinal);
    }
}

/// <summary>Keeps every report, in order, as it comes.</summary>
internal sealed class ProgressLog : IProgress<HubProgress>
{
    public List<HubProgress> Reports { get; } = [];

    public void Report(HubProgress value)
    {
        lock (Reports)
            Reports.Add(value);
    }
}
