using System.Net;
using System.Net.Http.Headers;

namespace PixioCuda.Cli.Pictures;

/// <summary>What a picture's address may cost.</summary>
/// <param name="MaxByteCount">The most bytes.</param>
/// <param name="Timeout">The most time, redirections included.</param>
internal sealed record DownloadLimits(long MaxByteCount, TimeSpan Timeout);

/// <summary>Fetches pictures by http(s).</summary>
internal static class PictureDownload
{
    private const int MaxRedirects = 5;

    /// <summary>Fetches a picture.</summary>
    /// <exception cref="InputException">The server cannot be reached, refuses, takes too long, or sends too much.</exception>
    public static async Task<ReadOnlyMemory<byte>> GetAsync(Uri address, DownloadLimits limits, CancellationToken cancellationToken)
    {
        using var timed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timed.CancelAfter(limits.Timeout);
        // From https the handler follows no redirection to http.
        using SocketsHttpHandler handler = new() { MaxAutomaticRedirections = MaxRedirects, AutomaticDecompression = DecompressionMethods.All };
        using HttpClient client = new(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("pixio", PixioCommandLine.Version));
        try
        {
            using HttpResponseMessage response = await client.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, timed.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
                throw new InputException($"The picture {address} was not sent: {Explain(response)}");
            if (response.Content.Headers.ContentLength > limits.MaxByteCount)
            {
                throw new InputException($"The picture {address} has {response.Content.Headers.ContentLength} bytes, more than the "
                    + $"{limits.MaxByteCount} allowed (--max-download).");
            }

            using Stream body = await response.Content.ReadAsStreamAsync(timed.Token).ConfigureAwait(false);
            return await BoundedStream.ReadAsync(body, limits.MaxByteCount, address.ToString(), timed.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InputException($"The picture {address} took longer than the {limits.Timeout.TotalSeconds:0.###} s allowed (--timeout).");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new InputException($"The picture {address} cannot be fetched: {Sentences.Of(exception)}", exception);
        }
    }

    private static string Explain(HttpResponseMessage response)
    {
        int status = (int)response.StatusCode;
        return status is >= 300 and < 400
            ? $"the server redirects ({status}) more than {MaxRedirects} times, or from https to http."
            : $"the server answered {status} {response.ReasonPhrase}.";
    }
}
