using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Hub;

/// <summary>A model on the hub: <c>owner/name</c>, or <c>owner/name@revision</c> with a branch, a tag or a commit.</summary>
/// <param name="Repository">"facebook/pixio-vith16".</param>
/// <param name="Revision">"main", "v1.0", "refs/pr/1", or 40 hexadecimal digits.</param>
internal sealed record HubModelName(string Repository, string Revision)
{
    private const string DefaultRevision = "main";
    private const int LongestPart = 96;
    private const int LongestRevision = 255;
    private const int CommitDigits = 40;

    // A file of weights in a folder that is not there looks like a repository, but is a slip in a path.
    private static readonly string[] FileSuffixes = [".safetensors", ".json", ".pth", ".pt", ".bin", ".git"];

    /// <summary>Whether the revision is a commit, which never changes.</summary>
    public bool IsCommit => IsCommitHash(Revision);

    /// <summary>Where a person reads the licence and accepts it.</summary>
    public string Page => $"https://huggingface.co/{Repository}";

    /// <summary>Reads a name. What does not look like a repository is not one: it is a path then.</summary>
    /// <exception cref="ModelFormatException">The repository is one, but what follows '@' cannot be a revision.</exception>
    public static bool TryParse(string model, [NotNullWhen(true)] out HubModelName? name)
    {
        name = null;
        int at = model.IndexOf('@', StringComparison.Ordinal);
        string repository = at < 0 ? model : model[..at];
        string[] parts = repository.Split('/');
        if (parts.Length != 2 || !parts.All(IsPart)
            || FileSuffixes.Any(suffix => repository.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)))
            return false;
        string revision = at < 0 ? DefaultRevision : model[(at + 1)..];
        if (!IsRevision(revision))
        {
            throw new ModelFormatException(
                $"'{model}' does not name a model: what follows '@' must be a branch, a tag or a commit of {repository}.");
        }

        name = new HubModelName(repository, revision);
        return true;
    }

    /// <summary>Whether a text is a whole commit hash.</summary>
    public static bool IsCommitHash(string text) => text.Length == CommitDigits && text.All(char.IsAsciiHexDigitLower);

    /// <inheritdoc/>
    public override string ToString() => Revision == DefaultRevision ? Repository : $"{Repository}@{Revision}";

    // The hub's own rules, which also keep the name a plain folder name.
    private static bool IsPart(string part) =>
        part.Length is > 0 and <= LongestPart
        && part.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.')
        && part[0] is not ('-' or '.') && part[^1] is not ('-' or '.')
        && !part.Contains("--", StringComparison.Ordinal) && !part.Contains("..", StringComparison.Ordinal);

    // Git's rules as far as they keep a revision inside of the folder refs.
    private static bool IsRevision(string revision) =>
        revision.Length is > 0 and <= LongestRevision
        && revision.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.' or '/' or '+')
        && revision.Split('/').All(segment => segment.Length > 0 && segment[0] != '.' && segment[^1] != '.')
        && !revision.Contains("..", StringComparison.Ordinal);
}
