using System.Globalization;
using PixioCuda.Hub;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

/// <summary>Networks and servers that misbehave.</summary>
public class HubTroubleTests
{
    private const string WeightsFile = "model.safetensors";

    [Fact]
    public async Task A_connection_that_breaks_is_taken_up_at_the_very_byte()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        int length = hub[WeightsFile].Length;
        int[] cuts = [1, 100_000, 65_537];
        int request = 0;
        hub.InterceptCdn = asked => hub.Content(asked) with { CutAfter = request < cuts.Length ? cuts[request++] : null };
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal([0, 1, 100_001, 165_538], hub.Cdn.Requests.Select(asked => asked.FirstByte));
        Assert.Equal(hub[WeightsFile], File.ReadAllBytes(Path.Combine(folder, WeightsFile)));
        Assert.True(length > 165_538);
    }

    [Fact]
    public async Task An_interrupted_download_goes_on_in_the_next_run()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        using CancellationTokenSource stop = new();
        hub.InterceptCdn = asked => hub.Content(asked) with { StallAfter = asked.FirstByte == 0 ? 200_000 : null };
        HubOptions options = hub.Options(cache.Root);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => PixioHub.DownloadAsync(FakeHub.Repository, options with { Progress = new StopSoon(stop) }, stop.Token));
        string incomplete = cache.File($"models--facebook--pixio-tiny/blobs/{hub.Weights}.incomplete");
        long kept = new FileInfo(incomplete).Length;
        Assert.Equal(200_000, kept);

        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, options);
        Assert.Equal([0, kept], hub.Cdn.Requests.Select(asked => asked.FirstByte));
        Assert.Equal(hub[WeightsFile], File.ReadAllBytes(Path.Combine(folder, WeightsFile)));
        Assert.False(File.Exists(incomplete));
    }

    [Fact]
    public async Task A_server_without_ranges_sends_all_again()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        bool isFirst = true;
        hub.InterceptCdn = asked =>
        {
            LoopbackResponse whole = new(200) { Body = hub[WeightsFile], CutAfter = isFirst ? 300_000 : null };
            isFirst = false;
            return whole;
        };
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal([0, 300_000], hub.Cdn.Requests.Select(asked => asked.FirstByte));
        Assert.Equal(hub[WeightsFile], File.ReadAllBytes(Path.Combine(folder, WeightsFile)));
    }

    [Fact]
    public async Task What_an_earlier_download_left_damaged_is_fetched_anew()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        Directory.CreateDirectory(cache.File("models--facebook--pixio-tiny/blobs"));
        cache.Write($"models--facebook--pixio-tiny/blobs/{hub.Weights}.incomplete", new byte[50_000]);
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.Equal([50_000, 0], hub.Cdn.Requests.Select(asked => asked.FirstByte));
        Assert.Equal(hub[WeightsFile], File.ReadAllBytes(Path.Combine(folder, WeightsFile)));
    }

    [Theory]
    [InlineData(WeightsFile)]
    [InlineData("config.json")]
    public async Task A_wrong_hash_is_refused_and_nothing_stays(string file)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        byte[] damaged = [.. hub[file]];
        damaged[^1] ^= 1;
        LoopbackResponse? Damage(LoopbackRequest asked) =>
            asked.Method == "GET" && asked.Target.Split('?')[0].EndsWith($"/{file}", StringComparison.Ordinal)
                ? new LoopbackResponse(200) { Body = damaged }
                : null;
        // Large files come from the content network, small ones from the hub itself.
        if (FakeHub.IsLarge(file))
            hub.InterceptCdn = Damage;
        else
            hub.InterceptHub = Damage;
        HubException exception = await Fails(hub, cache);
        Assert.Contains(FakeHub.HashOf(file, damaged), exception.Message, StringComparison.Ordinal);
        Assert.Contains(FakeHub.HashOf(file, hub[file]), exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(
            Directory.GetFiles(cache.File("models--facebook--pixio-tiny/blobs")),
            path => Path.GetFileName(path).StartsWith(FakeHub.HashOf(file, hub[file]), StringComparison.Ordinal));
        Assert.False(File.Exists(cache.File($"models--facebook--pixio-tiny/snapshots/{FakeHub.Commit}/{file}")));
    }

    [Theory]
    [InlineData(-1, false)]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(5_000_000, true)]
    public async Task A_wrong_size_is_refused(int surplus, bool hidesLength)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        byte[] wrong = [.. hub[WeightsFile][..^Math.Max(0, -surplus)], .. new byte[Math.Max(0, surplus)]];
        hub.InterceptCdn = _ => new LoopbackResponse(200) { Body = wrong, HidesLength = hidesLength };
        HubException exception = await Fails(hub, cache);
        Assert.Contains(hub[WeightsFile].Length.ToString(CultureInfo.InvariantCulture), exception.Message, StringComparison.Ordinal);
        Assert.Contains(WeightsFile, exception.Message, StringComparison.Ordinal);
        Assert.Single(hub.Cdn.Requests);
        Assert.False(File.Exists(cache.File($"models--facebook--pixio-tiny/snapshots/{FakeHub.Commit}/{WeightsFile}")));
    }

    [Fact]
    public async Task A_range_other_than_asked_for_is_refused()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string range = $"bytes 999-{hub[WeightsFile].Length - 1}/{hub[WeightsFile].Length}";
        hub.InterceptCdn = asked => asked.FirstByte == 0
            ? hub.Content(asked) with { CutAfter = 1000 }
            : hub.Content(asked) with { Headers = new() { ["Content-Range"] = range } };
        Assert.Contains("from byte 1000", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_slow_server_is_waited_for_as_long_as_something_comes()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        // Twenty pieces with 0.2 s between them take longer than the 3 s in which something must come.
        hub.InterceptCdn = asked => hub.Content(asked) with
        {
            PieceBytes = 1 + (hub[WeightsFile].Length / 20),
            Pause = TimeSpan.FromMilliseconds(200),
        };
        ProgressLog progress = new();
        HubOptions options = hub.Options(cache.Root);
        await PixioHub.DownloadAsync(FakeHub.Repository, options with
        {
            Progress = progress,
            Timings = options.Timings with { StallTimeout = TimeSpan.FromSeconds(3) },
        });
        Assert.Single(hub.Cdn.Requests);
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_asked_again()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptCdn = asked => hub.Content(asked) with { StallAfter = asked.FirstByte == 0 ? 400_000 : null };
        HubOptions options = hub.Options(cache.Root);
        string folder = await PixioHub.DownloadAsync(
            FakeHub.Repository, options with { Timings = options.Timings with { StallTimeout = TimeSpan.FromSeconds(3) } });
        Assert.Equal([0, 400_000], hub.Cdn.Requests.Select(asked => asked.FirstByte));
        Assert.Equal(hub[WeightsFile], File.ReadAllBytes(Path.Combine(folder, WeightsFile)));
    }

    [Theory]
    [InlineData("HEAD")]
    [InlineData("GET")]
    public async Task A_busy_server_is_left_alone_for_as_long_as_it_asks(string method)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        List<long> times = [];
        hub.InterceptHub = asked =>
        {
            if (asked.Method != method || !asked.Target.EndsWith("config.json", StringComparison.Ordinal))
                return null;
            times.Add(Environment.TickCount64);
            return times.Count == 1 ? new LoopbackResponse(429) { Headers = { ["Retry-After"] = "1" } } : null;
        };
        await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        Assert.True(times[1] - times[0] >= 950, $"Asked again after {times[1] - times[0]} ms.");
    }

    [Fact]
    public async Task More_patience_than_there_is_ends_with_the_time_that_is_asked_for()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = _ => new LoopbackResponse(429) { Headers = { ["Retry-After"] = "3600" } };
        Assert.Contains("3600 s", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Single(hub.Hub.Requests);
    }

    [Fact]
    public async Task A_server_that_always_fails_is_asked_a_few_times()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptCdn = _ => new LoopbackResponse(503);
        Assert.Contains("(503)", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Equal(5, hub.Cdn.Requests.Length);
    }

    [Fact]
    public async Task A_server_that_sends_a_byte_and_hangs_up_is_not_asked_for_ever()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptCdn = asked => hub.Content(asked) with { CutAfter = 1 };
        await Fails(hub, cache);
        Assert.Equal(5, hub.Cdn.Requests.Length);
    }

    [Fact]
    public async Task The_cache_serves_when_the_hub_is_away_and_says_so()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        string folder = await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root));
        hub.InterceptHub = _ => new LoopbackResponse(502);
        List<string> notices = [];
        int before = hub.Hub.Requests.Length;
        Assert.Equal(folder, await PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root) with { Notice = notices.Add }));
        Assert.Contains($"as it is in the cache, commit {FakeHub.Commit}", Assert.Single(notices), StringComparison.Ordinal);
        Assert.Equal(before + 1, hub.Hub.Requests.Length);
    }

    [Fact]
    public async Task A_hub_that_is_not_there_is_named()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        HubOptions options = hub.Options(cache.Root);
        hub.Hub.Dispose();
        HubException exception = await Assert.ThrowsAsync<HubException>(() => PixioHub.DownloadAsync(FakeHub.Repository, options));
        Assert.Contains(options.Endpoint!, exception.Message, StringComparison.Ordinal);
        Assert.Contains("cannot be reached", exception.Message, StringComparison.Ordinal);
    }

    private static async Task<HubException> Fails(FakeHub hub, TemporaryFolder cache)
    {
        HubException exception = await Assert.ThrowsAsync<HubException>(
            () => PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root)));
        // Neither the token nor a signed address belongs into a message, not even into that of a cause.
        Assert.DoesNotContain(FakeHub.Token, exception.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("SIGNED", exception.ToString(), StringComparison.Ordinal);
        return exception;
    }

    /// <summary>Stops a while after the first bytes, when the server has long been silent.</summary>
    private sealed class StopSoon(CancellationTokenSource stop) : IProgress<HubProgress>
    {
        public void Report(HubProgress value)
        {
            if (value.DownloadedByteCount > 0)
                stop.CancelAfter(TimeSpan.FromMilliseconds(500));
        }
    }
}
