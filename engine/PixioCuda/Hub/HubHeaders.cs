using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using PixioCuda.Weights;

namespace PixioCuda.Hub;

/// <summary>What the hub says in status and headers, and what that means to a user. Nothing here is trusted: hashes become file names,
/// sizes become limits, so both are checked first.</summary>
internal static class HubHeaders
{
    // 1 TiB: fifty times the largest model, and far from where sums overflow.
    private const long LongestFile = 1L << 40;

    /// <summary>An address as it may stand in a message: without a query, which may hold a signature.</summary>
    public static string Describe(Uri address) => $"'{address.GetLeftPart(UriPartial.Path)}'";

    /// <summary>Whether the hub says that the repository is there and this file is not in it. A mirror says no more than 404.</summary>
    public static bool IsMissingFile(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.NotFound && ErrorCode(response) is "EntryNotFound" or null;

    /// <summary>The failure of a server that may well answer the next time; null where it has answered.</summary>
    public static HubTransientException? Busy(HttpResponseMessage response, Uri address)
    {
        int status = (int)response.StatusCode;
        if (status is not (408 or 429) && status < 500)
            return null;
        string what = status == 429 ? "allows no more requests for now" : "failed";
        return new HubTransientException($"{Describe(address)} {what} ({status}).", RetryAfter(response));
    }

    /// <summary>Reads what a file is from the response to a HEAD.</summary>
    /// <exception cref="HubException">What is said cannot be used.</exception>
    public static HubFile ReadFile(HttpResponseMessage response, HubModelName model, string revision, string file)
    {
        string commit = Header(response, "X-Repo-Commit") ?? (HubModelName.IsCommitHash(revision) ? revision : "");
        if (!HubModelName.IsCommitHash(commit))
            throw Unusable("does not say at which commit it is (X-Repo-Commit)");
        string? etag = Header(response, "X-Linked-ETag") ?? Header(response, "ETag");
        BlobHash hash = BlobHash.FromETag(etag)
            ?? throw Unusable("is not named by a SHA-256 or a git SHA-1 (ETag), so that what arrives could not be checked");
        string? size = Header(response, "X-Linked-Size")
            ?? response.Content.Headers.ContentLength?.ToString(CultureInfo.InvariantCulture);
        if (!long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long byteCount) || byteCount > LongestFile)
            throw Unusable("has no size that a file can have (X-Linked-Size, Content-Length)");
        return new HubFile(file, commit, hash, byteCount);

        HubException Unusable(string what) =>
            new($"The file {MessageText.Quote(file)} of {model} {what}; check that HF_ENDPOINT is a Hugging Face hub.");
    }

    /// <summary>What a refusal means.</summary>
    public static HubException Refusal(
        HttpResponseMessage response, HubModelName model, string revision, string file, string? tokenSource)
    {
        string code = ErrorCode(response) ?? "";
        string said = Header(response, "X-Error-Message") is string message ? $" The hub says: {MessageText.Quote(message)}." : "";
        int status = (int)response.StatusCode;
        string token = tokenSource is null
            ? "no token was given: set HF_TOKEN to one of that account"
            : $"the token in {tokenSource} was not enough: check HF_TOKEN and its account";
        if (code == "GatedRepo")
        {
            return new HubException(
                $"The model {model.Repository} is gated ({status}). Accept its licence at {model.Page} and give a token of the account "
                + $"that did; {token}. Or download the folder by other means and name it.{said}");
        }

        if (code == "RevisionNotFound")
        {
            return new HubException(
                $"The model {model.Repository} has no revision '{revision}'; its branches and tags are at {model.Page}.");
        }

        if (status is 401 or 403 || code == "RepoNotFound")
        {
            return new HubException(
                $"The model {model.Repository} was refused ({status}): it is not on the hub, or private, or gated. No local folder has "
                + $"that name either. If {model.Page} shows it to you, accept its licence there; {token}.{said}");
        }

        return new HubException(
            $"The file {MessageText.Quote(file)} of {model} was not sent: the server answered {status}. Check HF_ENDPOINT.{said}");
    }

    private static string? ErrorCode(HttpResponseMessage response) => Header(response, "X-Error-Code");

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.NonValidated.TryGetValues(name, out HeaderStringValues values) ? values.ToString() : null;

    private static TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        RetryConditionHeaderValue? value = response.Headers.RetryAfter;
        TimeSpan? pause = value?.Delta ?? (value?.Date is DateTimeOffset date ? date - DateTimeOffset.UtcNow : null);
        return pause < TimeSpan.Zero ? TimeSpan.Zero : pause;
    }
}
