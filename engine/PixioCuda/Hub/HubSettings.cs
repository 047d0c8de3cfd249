namespace PixioCuda.Hub;

/// <summary>What the options and the environment come to, with the meaning that Python's huggingface_hub gives its variables.</summary>
internal sealed record HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";
    private const int LongestTokenFile = 4096;

    /// <summary>Without a slash at its end.</summary>
    public required string Endpoint { get; init; }

    public required string CacheFolder { get; init; }

    public required bool IsOffline { get; init; }

    /// <summary>Null where there is none.</summary>
    public required string? Token { get; init; }

    /// <summary>Where the token came from, for messages: "HF_TOKEN" or the name of a file.</summary>
    public required string? TokenSource { get; init; }

    /// <summary>Reads the environment.</summary>
    /// <param name="options">What takes precedence.</param>
    /// <param name="read">Gives the value of a variable.</param>
    /// <exception cref="HubException">A variable cannot be used.</exception>
    public static HubSettings Read(HubOptions options, Func<string, string?> read)
    {
        string userFolder = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string home = Folder("HF_HOME") ?? Path.Combine(Folder("XDG_CACHE_HOME") ?? Path.Combine(userFolder, ".cache"), "huggingface");
        (string? token, string? source) = FindToken(options, Value, Folder("HF_TOKEN_PATH") ?? Path.Combine(home, "token"));
        return new HubSettings
        {
            Endpoint = CheckEndpoint(options.Endpoint ?? Value("HF_ENDPOINT") ?? DefaultEndpoint),
            CacheFolder = Path.GetFullPath(
                options.CacheFolder ?? Folder("HF_HUB_CACHE") ?? Folder("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub")),
            IsOffline = options.Offline ?? IsTrue(Value("HF_HUB_OFFLINE") ?? Value("TRANSFORMERS_OFFLINE")),
            Token = token,
            TokenSource = source,
        };

        string? Value(string name) => read(name) is string value && !string.IsNullOrWhiteSpace(value) ? value.Trim() : null;

        string? Folder(string name) => Value(name) is not string value ? null
            : value == "~" ? userFolder
            : value.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(userFolder, value[2..])
            : value;
    }

    /// <summary>The settings without the token.</summary>
    public override string ToString() => $"{Endpoint}, cache '{CacheFolder}'{(IsOffline ? ", offline" : "")}";

    private static (string? Token, string? Source) FindToken(HubOptions options, Func<string, string?> value, string path)
    {
        // An empty one is an answer too: none, whatever the environment holds.
        if (string.IsNullOrWhiteSpace(options.Token) && options.Token is not null)
            return (null, null);
        foreach ((string? token, string source) in new[]
        {
            (options.Token, "the options"), (value("HF_TOKEN"), "HF_TOKEN"),
            (value("HUGGING_FACE_HUB_TOKEN"), "HUGGING_FACE_HUB_TOKEN"), (ReadTokenFile(path), $"the file '{path}'"),
        })
        {
            if (token?.Trim() is not { Length: > 0 } trimmed)
                continue;
            if (!trimmed.All(character => character is > ' ' and < '\x7F'))
                throw new HubException($"The token in {source} holds characters that no token has; copy it again.");
            return (trimmed, source);
        }

        return (null, null);
    }

    private static string? ReadTokenFile(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (file.Length > LongestTokenFile)
                throw new HubException($"The file '{path}' has {file.Length} bytes, which is no token; remove it or set HF_TOKEN_PATH.");
            using StreamReader reader = new(file);
            return reader.ReadToEnd();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HubException($"The token in '{path}' cannot be read ({exception.Message}); set HF_TOKEN instead.", exception);
        }
    }

    private static string CheckEndpoint(string endpoint)
    {
        if (!Uri.TryCreate(endpoint, UriKind.Absolute, out Uri? address) || address.Scheme is not ("http" or "https")
            || address.UserInfo.Length > 0 || address.Query.Length > 0 || address.Fragment.Length > 0)
        {
            throw new HubException(
                "The hub's address (HF_ENDPOINT) must be like https://huggingface.co: http or https, without user, query and fragment.");
        }

        return address.AbsoluteUri.TrimEnd('/');
    }

    private static bool IsTrue(string? value) => value?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";
}
