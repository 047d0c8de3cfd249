namespace PixioCuda.Hub;

/// <summary>How models named <c>owner/name[@revision]</c> are found: in the cache that Python's huggingface_hub uses too, else by
/// downloading. What is null comes from the environment.</summary>
public sealed record HubOptions
{
    /// <summary>The hub's address; null for <c>HF_ENDPOINT</c>, else https://huggingface.co.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The cache; null for <c>HF_HUB_CACHE</c>, else <c>hub</c> in <c>HF_HOME</c>, else
    /// <c>~/.cache/huggingface/hub</c>.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>A token of the account that has accepted the model's licence; null for <c>HF_TOKEN</c>, else the file
    /// <c>HF_TOKEN_PATH</c>, else <c>token</c> in <c>HF_HOME</c>; empty for none. It goes to the hub's own address and
    /// to no other.</summary>
    public string? Token { get; init; }

    /// <summary>Whether only the cache may be used; null for <c>HF_HUB_OFFLINE</c>.</summary>
    public bool? Offline { get; init; }

    /// <summary>Told how far a download is, on the threads that download.</summary>
    public IProgress<HubProgress>? Progress { get; init; }

    /// <summary>Told, in whole sentences, what a user should know: the licence at the first download, where the files go, that another
    /// process is waited for, that the cache is used because the hub cannot be reached.</summary>
    public Action<string>? Notice { get; init; }

    /// <summary>How long things may take. For tests.</summary>
    internal HubTimings Timings { get; init; } = new();

    /// <summary>The options without the token, so that none is ever logged.</summary>
    public override string ToString() =>
        $"{nameof(HubOptions)} {{ Endpoint = {Endpoint}, CacheFolder = {CacheFolder}, Offline = {Offline}, "
        + $"Token = {(Token is null ? "none" : "given")} }}";
}

/// <summary>Patience with a server.</summary>
internal sealed record HubTimings
{
    /// <summary>Attempts in a row that bring nothing before it is given up.</summary>
    public int MaxAttempts { get; init; } = 5;

    /// <summary>The pause after the first failure; each next one is twice as long.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a server may take to connect, to answer, and to send the next bytes.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest that a busy server's Retry-After is heeded; beyond it the download ends with an error that says so.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The pause between two looks at a lock that another process holds.</summary>
    public TimeSpan LockPause { get; init; } = TimeSpan.FromMilliseconds(100);
}
