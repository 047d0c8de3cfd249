using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PixioCuda.Hub;

namespace PixioCuda.Tests.Hub;

/// <summary>Plays the hub and its content network: a server each, on different ports. Answers as the real ones do: small files come from
/// the hub and are named by git's hash, large ones by SHA-256 and after a redirection to the other server.</summary>
internal sealed class FakeHub : IDisposable
{
    public const string Repository = "facebook/pixio-tiny";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    public const string Token = "hf_SECRETsecretSECRETsecret";

    private readonly Dictionary<string, byte[]> _files = [];

    public FakeHub(string? folder = "tiny")
    {
        Hub = new LoopbackServer(request => InterceptHub?.Invoke(request) ?? AnswerHub(request));
        Cdn = new LoopbackServer(request => InterceptCdn?.Invoke(request) ?? AnswerCdn(request));
        if (folder is null)
            return;
        foreach (string path in Directory.GetFiles(TestData.Path(folder)))
        {
            string name = Path.GetFileName(path);
            if (name.StartsWith("model", StringComparison.Ordinal) || name.EndsWith("config.json", StringComparison.Ordinal))
                _files[name] = File.ReadAllBytes(path);
        }
    }

    public LoopbackServer Hub { get; }

    public LoopbackServer Cdn { get; }

    /// <summary>Answers instead of the hub where it does not return null.</summary>
    public Func<LoopbackRequest, LoopbackResponse?>? InterceptHub { get; set; }

    /// <summary>As <see cref="InterceptHub"/>, for the content network.</summary>
    public Func<LoopbackRequest, LoopbackResponse?>? InterceptCdn { get; set; }

    /// <summary>The revisions there are beside the commit itself.</summary>
    public HashSet<string> Revisions { get; } = ["main"];

    public byte[] this[string file]
    {
        get => _files[file];
        set => _files[file] = value;
    }

    public string Weights => Sha256(_files["model.safetensors"]);

    public static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    [SuppressMessage("Security", "CA5350", Justification = "Git's own hash.")]
    public static string GitSha1(byte[] content) => Convert.ToHexStringLower(
        SHA1.HashData([.. Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {content.Length}\0")), .. content]));

    public static string HashOf(string file, byte[] content) => IsLarge(file) ? Sha256(content) : GitSha1(content);

    public static bool IsLarge(string file) => file.EndsWith(".safetensors", StringComparison.Ordinal);

    /// <summary>Options for this hub with a cache of the test's own, a token, and little patience.</summary>
    public HubOptions Options(string cache) => new()
    {
        Endpoint = Hub.Address,
        CacheFolder = cache,
        Token = Token,
        Offline = false,
        Timings = new HubTimings
        {
            FirstPause = TimeSpan.FromMilliseconds(1),
            StallTimeout = TimeSpan.FromSeconds(10),
            LockPause = TimeSpan.FromMilliseconds(5),
        },
    };

    public void Remove(string file) => _files.Remove(file);

    /// <summary>The content network's answer for a file: the whole, or what follows the first byte of a range.</summary>
    public LoopbackResponse Content(LoopbackRequest request)
    {
        byte[] content = _files[request.Target.Split('?')[0].Split('/')[^1]];
        int first = (int)request.FirstByte;
        if (first >= content.Length)
            return new LoopbackResponse(416);
        string range = string.Create(CultureInfo.InvariantCulture, $"bytes {first}-{content.Length - 1}/{content.Length}");
        return first == 0
            ? new LoopbackResponse(200) { Body = content }
            : new LoopbackResponse(206) { Body = content.AsMemory(first), Headers = { ["Content-Range"] = range } };
    }

    /// <summary>The hub's refusal in its own words.</summary>
    public static LoopbackResponse Refuse(int status, string code, string message = "") => new(status)
    {
        Headers = { ["X-Error-Code"] = code, ["X-Error-Message"] = message },
    };

    public void Dispose()
    {
        Hub.Dispose();
        Cdn.Dispose();
    }

    private LoopbackResponse AnswerHub(LoopbackRequest request)
    {
        // A proxy's client names the whole address.
        string target = request.Target.StartsWith('/') ? request.Target : new Uri(request.Target).AbsolutePath;
        string[] parts = target.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length != 5 || parts[2] != "resolve" || $"{parts[0]}/{parts[1]}" != Repository)
            return Refuse(404, "RepoNotFound");
        string revision = Uri.UnescapeDataString(parts[3]), file = Uri.UnescapeDataString(parts[4]);
        if (revision != Commit && !Revisions.Contains(revision))
            return Refuse(404, "RevisionNotFound");
        if (!_files.TryGetValue(file, out byte[]? content))
            return Refuse(404, "EntryNotFound");
        string hash = HashOf(file, content);
        if (!IsLarge(file))
            return new LoopbackResponse(200) { Body = content, Headers = { ["ETag"] = $"\"{hash}\"", ["X-Repo-Commit"] = Commit } };
        return new LoopbackResponse(302)
        {
            Headers =
            {
                ["Location"] = $"{Cdn.Address}/{hash}/{file}?Signature=SIGNED",
                ["X-Linked-ETag"] = $"\"{hash}\"",
                ["X-Linked-Size"] = content.Length.ToString(CultureInfo.InvariantCulture),
                ["X-Repo-Commit"] = Commit,
                ["ETag"] = "\"something-else\"",
            },
        };
    }

    private LoopbackResponse AnswerCdn(LoopbackRequest request) => Content(request);
}
