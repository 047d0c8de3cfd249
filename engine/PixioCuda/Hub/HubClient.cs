using System.Net;
using System.Net.Http.Headers;
using System.Reflection;
using System.Security.Authentication;

namespace PixioCuda.Hub;

/// <summary>Talks to the hub about one repository. Redirections are followed by hand: the token goes to the hub's own scheme, host and
/// port and nowhere else.</summary>
internal sealed class HubClient : IDisposable
{
    private const int MaxRedirects = 5;

    // A model of many shards must not knock a thousand times at once.
    private const int MaxConnections = 8;

    private readonly HubSettings _settings;
    private readonly HubModelName _model;
    private readonly HubTimings _timings;
    private readonly Uri _endpoint;
    private readonly HttpClient _http;

    public HubClient(HubSettings settings, HubModelName model, HubTimings timings)
    {
        _settings = settings;
        _model = model;
        _timings = timings;
        _endpoint = new Uri(settings.Endpoint);
        // The proxy is the system's: https_proxy, http_proxy, all_proxy, no_proxy.
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = timings.StallTimeout,
            MaxConnectionsPerServer = MaxConnections,
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        string version = typeof(HubClient).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("pixio", version.Split('+')[0]));
        // Sizes and ranges count the bytes of the file itself.
        _http.DefaultRequestHeaders.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
    }

    /// <summary>Asks what a file is at a revision, several times where the hub does not answer.</summary>
    /// <param name="revision">A branch, a tag or a commit.</param>
    /// <param name="file">Its name in the repository.</param>
    /// <param name="maxAttempts">How often; null for the usual patience.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Null where the repository has no such file at that revision.</returns>
    /// <exception cref="HubException">The hub refuses, cannot be reached, or describes the file in a way that cannot be used.</exception>
    public async Task<HubFile?> FindAsync(string revision, string file, int? maxAttempts, CancellationToken cancellationToken)
    {
        HubRetry retry = new(_timings, maxAttempts);
        while (true)
        {
            try
            {
                using HttpResponseMessage response =
                    await SendAsync(HttpMethod.Head, AddressOf(revision, file), firstByte: 0, cancellationToken).ConfigureAwait(false);
                return HubHeaders.IsMissingFile(response) ? null : HubHeaders.ReadFile(response, _model, revision, file);
            }
            catch (HubTransientException failure)
            {
                await retry.PauseAsync(failure, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Asks for a file's content, once.</summary>
    /// <param name="file">The file.</param>
    /// <param name="firstByte">Where to begin; whether the server heeds it is in the response.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>A response whose body is not yet read: 200, 206, or 416 for a range that the server does not have.</returns>
    /// <exception cref="HubTransientException">It may work the next time.</exception>
    /// <exception cref="HubException">It will not.</exception>
    public async Task<HttpResponseMessage> GetAsync(HubFile file, long firstByte, CancellationToken cancellationToken)
    {
        HttpResponseMessage response =
            await SendAsync(HttpMethod.Get, AddressOf(file.Commit, file.Name), firstByte, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable)
            return response;
        using (response)
            throw Refusal(response, file.Name, file.Commit);
    }

    public void Dispose() => _http.Dispose();

    private Uri AddressOf(string revision, string file) => new(
        $"{_settings.Endpoint}/{_model.Repository}/resolve/{Uri.EscapeDataString(revision)}/{Uri.EscapeDataString(file)}");

    private bool IsHub(Uri address) =>
        address.Scheme == _endpoint.Scheme && address.Port == _endpoint.Port
        && string.Equals(address.IdnHost, _endpoint.IdnHost, StringComparison.OrdinalIgnoreCase);

    /// <summary>Sends a request and follows where it leads. A HEAD stays at the hub: what it says of a file is in the very response that
    /// redirects to another host.</summary>
    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, Uri address, long firstByte, CancellationToken cancellationToken)
    {
        for (int redirects = 0; ; redirects++)
        {
            HttpResponseMessage response = await SendOnceAsync(method, address, firstByte, cancellationToken).ConfigureAwait(false);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not Uri location)
            {
                HubTransientException? busy = HubHeaders.Busy(response, address);
                if (busy is null)
                {
                    if (method == HttpMethod.Head && !response.IsSuccessStatusCode && !HubHeaders.IsMissingFile(response))
                    {
                        using (response)
                            throw Refusal(response, Path.GetFileName(address.AbsolutePath), _model.Revision);
                    }

                    return response;
                }

                response.Dispose();
                throw busy;
            }

            Uri next = new(address, location);
            if (method == HttpMethod.Head && !IsHub(next))
                return response;
            response.Dispose();
            if (next.Scheme is not ("http" or "https") || (address.Scheme == "https" && next.Scheme != "https"))
            {
                throw new HubException(
                    $"{HubHeaders.Describe(address)} redirects to '{next.Scheme}', which is not safe; check HF_ENDPOINT.");
            }

            if (redirects == MaxRedirects)
                throw new HubException($"{HubHeaders.Describe(address)} redirects more than {MaxRedirects} times; check HF_ENDPOINT.");
            address = next;
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method, Uri address, long firstByte, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(method, address);
        if (_settings.Token is string token && IsHub(address))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (firstByte > 0)
            request.Headers.Range = new RangeHeaderValue(firstByte, null);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_timings.StallTimeout);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HubTransientException(
                $"{HubHeaders.Describe(address)} did not answer within {_timings.StallTimeout.TotalSeconds:0.###} s.",
                innerException: exception);
        }
        catch (HttpRequestException exception)
        {
            // What is wrong with a certificate stands in the inner exception alone.
            string reason = (exception.InnerException as AuthenticationException ?? (Exception)exception).Message.TrimEnd('.');
            throw new HubTransientException($"{HubHeaders.Describe(address)} cannot be reached: {reason}.", innerException: exception);
        }
    }

    private HubException Refusal(HttpResponseMessage response, string file, string revision) =>
        HubHeaders.Refusal(response, _model, revision, file, _settings.TokenSource);
}
