using System.Globalization;
using System.Text;
using PixioCuda.Hub;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Hub;

/// <summary>Models that one may not have, and servers that want to write where they should not.</summary>
public class HubRefusalTests
{
    [Theory]
    [InlineData(401, "GatedRepo", true)]
    [InlineData(403, "GatedRepo", true)]
    [InlineData(403, "GatedRepo", false)]
    [InlineData(401, "RepoNotFound", false)]
    [InlineData(401, null, false)]
    [InlineData(403, null, true)]
    public async Task Who_may_not_is_told_the_licence_page_and_the_token_variable(int status, string? code, bool hasToken)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = _ => code is null ? new LoopbackResponse(status) : FakeHub.Refuse(status, code, "Your request awaits a review.");
        HubOptions options = hub.Options(cache.Root) with { Token = hasToken ? FakeHub.Token : "" };
        HubException exception = await Assert.ThrowsAsync<HubException>(() => PixioHub.DownloadAsync(FakeHub.Repository, options));
        Assert.Contains($"https://huggingface.co/{FakeHub.Repository}", exception.Message, StringComparison.Ordinal);
        Assert.Contains("HF_TOKEN", exception.Message, StringComparison.Ordinal);
        Assert.Equal(code == "GatedRepo", exception.Message.Contains("is gated", StringComparison.Ordinal));
        Assert.Equal(!hasToken, exception.Message.Contains("no token was given", StringComparison.Ordinal));
        Assert.Equal(code is not null, exception.Message.Contains("awaits a review", StringComparison.Ordinal));
        Assert.DoesNotContain(FakeHub.Token, exception.ToString(), StringComparison.Ordinal);
        // Asking again would change nothing, and nothing was made.
        Assert.Single(hub.Hub.Requests);
        Assert.Empty(Directory.GetFileSystemEntries(cache.Root));
    }

    [Fact]
    public async Task Weights_that_are_gated_while_the_config_is_not_are_refused_too()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => FakeHub.IsLarge(request.Target) ? FakeHub.Refuse(403, "GatedRepo") : null;
        Assert.Contains("is gated (403)", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_revision_that_is_not_there_is_named()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        Assert.Contains("no revision 'v9'", (await Fails(hub, cache, $"{FakeHub.Repository}@v9")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repository_without_safetensors_says_what_was_looked_for()
    {
        using FakeHub hub = new();
        hub.Remove("model.safetensors");
        using TemporaryFolder cache = new();
        string message = (await Fails(hub, cache)).Message;
        Assert.Contains("neither model.safetensors nor model.safetensors.index.json", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"../../../../evil\"")]
    [InlineData("\"/etc/passwd\"")]
    [InlineData("\"0123\"")]
    [InlineData("\"ABCDEF0123456789ABCDEF0123456789ABCDEF01\"")]
    [InlineData("")]
    public async Task A_hash_that_is_none_never_becomes_a_file_name(string etag)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = _ => new LoopbackResponse(200)
        {
            Headers = { ["ETag"] = etag, ["X-Repo-Commit"] = FakeHub.Commit },
            Body = new byte[10],
        };
        Assert.Contains("(ETag)", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(cache.Root));
    }

    [Theory]
    [InlineData("../../../evil")]
    [InlineData("main")]
    [InlineData(null)]
    public async Task A_commit_that_is_none_never_becomes_a_folder_name(string? commit)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        Dictionary<string, string> headers = new() { ["ETag"] = FakeHub.GitSha1([]) };
        if (commit is not null)
            headers.Add("X-Repo-Commit", commit);
        hub.InterceptHub = _ => new LoopbackResponse(200) { Headers = headers };
        Assert.Contains("(X-Repo-Commit)", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(cache.Root));
    }

    [Theory]
    [InlineData("../../../../evil.safetensors")]
    [InlineData("/tmp/evil.safetensors")]
    [InlineData("..\\\\evil.safetensors")]
    [InlineData("sub/evil.safetensors")]
    public async Task A_shard_outside_of_its_folder_is_refused_before_it_is_asked_for(string shard)
    {
        using FakeHub hub = new("tiny-sharded");
        using TemporaryFolder cache = new();
        hub["model.safetensors.index.json"] = Encoding.UTF8.GetBytes($$$"""{"weight_map": {"embeddings.cls_token": "{{{shard}}}"}}""");
        ModelFormatException exception = await Assert.ThrowsAsync<ModelFormatException>(
            () => PixioHub.DownloadAsync(FakeHub.Repository, hub.Options(cache.Root)));
        Assert.Contains("not the name of a file beside it", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(hub.Hub.Requests, request => request.Target.Contains("evil", StringComparison.Ordinal));
        Assert.Empty(hub.Cdn.Requests);
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("ftp://127.0.0.1/x")]
    public async Task A_redirection_that_leaves_http_is_refused(string location)
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => request.Method == "GET" ? new LoopbackResponse(302) { Headers = { ["Location"] = location } } : null;
        Assert.Contains("is not safe", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Redirections_without_end_are_refused()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => new LoopbackResponse(307) { Headers = { ["Location"] = request.Target } };
        Assert.Contains("redirects more than 5 times", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Equal(6, hub.Hub.Requests.Length);
    }

    [Fact]
    public async Task A_config_of_a_claimed_gigabyte_is_not_fetched()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => new LoopbackResponse(200)
        {
            Headers = { ["ETag"] = FakeHub.GitSha1([]), ["X-Repo-Commit"] = FakeHub.Commit, ["X-Linked-Size"] = "1000000000" },
        };
        Assert.Contains("1000000000 bytes", (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Empty(hub.Hub.Gets);
    }

    [Fact]
    public async Task Weights_that_cannot_fit_on_the_disk_are_refused_at_once()
    {
        using FakeHub hub = new();
        using TemporaryFolder cache = new();
        hub.InterceptHub = request => !FakeHub.IsLarge(request.Target) ? null : new LoopbackResponse(200)
        {
            Headers =
            {
                ["X-Linked-ETag"] = new string('a', 64), ["X-Repo-Commit"] = FakeHub.Commit, ["X-Linked-Size"] = "1099511627776",
            },
        };
        if (new DriveInfo(cache.Root).AvailableFreeSpace > 1L << 40)
            Assert.Skip("This disk has more than a terabyte free.");
        // With the preprocessor config that is missing too.
        long needed = (1L << 40) + hub["preprocessor_config.json"].Length;
        string expected = string.Create(CultureInfo.InvariantCulture, $"needs {needed:N0} more bytes");
        Assert.Contains(expected, (await Fails(hub, cache)).Message, StringComparison.Ordinal);
        Assert.Empty(hub.Cdn.Requests);
    }

    private static async Task<HubException> Fails(FakeHub hub, TemporaryFolder cache, string model = FakeHub.Repository)
    {
        HubException exception = await Assert.ThrowsAsync<HubException>(() => PixioHub.DownloadAsync(model, hub.Options(cache.Root)));
        Assert.DoesNotContain(FakeHub.Token, exception.ToString(), StringComparison.Ordinal);
        return exception;
    }
}
