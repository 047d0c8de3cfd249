using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PixioCuda.Tests.Hub;

/// <summary>A request as it came over the wire.</summary>
internal sealed record LoopbackRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string? Authorization => Headers.GetValueOrDefault("authorization");

    /// <summary>The first byte of a range, or 0.</summary>
    public long FirstByte => Headers.TryGetValue("range", out string? range)
        ? long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture)
        : 0;

    public override string ToString() => $"{Method} {Target}{(FirstByte > 0 ? $" from {FirstByte}" : "")}";
}

/// <summary>What a server answers, and how badly.</summary>
internal sealed record LoopbackResponse(int Status)
{
    public Dictionary<string, string> Headers { get; init; } = [];

    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>After so many bytes of the body the connection is closed.</summary>
    public int? CutAfter { get; init; }

    /// <summary>After so many bytes of the body nothing more comes, until the client hangs up.</summary>
    public int? StallAfter { get; init; }

    /// <summary>The body comes in pieces of this size with a pause after each.</summary>
    public int? PieceBytes { get; init; }

    public TimeSpan Pause { get; init; }

    /// <summary>Without Content-Length: the body ends where the connection does.</summary>
    public bool HidesLength { get; init; }

    /// <summary>The body waits for this.</summary>
    public Task Gate { get; init; } = Task.CompletedTask;
}

/// <summary>A minimal HTTP/1.1 server on a loopback port of its own, one request for each connection, with a log of what was
/// asked.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<LoopbackRequest, LoopbackResponse> _answer;
    private readonly ConcurrentQueue<LoopbackRequest> _requests = new();
    private bool _isDisposed;

    public LoopbackServer(Func<LoopbackRequest, LoopbackResponse> answer)
    {
        _answer = answer;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Address => $"http://127.0.0.1:{Port}";

    public LoopbackRequest[] Requests => [.. _requests];

    public LoopbackRequest[] Gets => [.. _requests.Where(request => request.Method == "GET")];

    /// <summary>Stops; a test may do so early, to play a hub that is away.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
        }
        catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient connection = client;
        try
        {
            NetworkStream stream = connection.GetStream();
            if (await ReadAsync(stream) is not LoopbackRequest request)
                return;
            _requests.Enqueue(request);
            await WriteAsync(stream, request, _answer(request));
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The client hung up, or the test is over.
        }
    }

    private async Task<LoopbackRequest?> ReadAsync(NetworkStream stream)
    {
        List<byte> head = [];
        byte[] one = new byte[1];
        while (head.Count < 1 << 16)
        {
            if (await stream.ReadAsync(one, _stop.Token) == 0)
                return null;
            head.Add(one[0]);
            if (one[0] == '\n' && head.Count >= 4 && head[^2] == '\r' && head[^3] == '\n')
                break;
        }

        string[] lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] first = lines[0].Split(' ');
        Dictionary<string, string> headers = lines.Skip(1).Select(line => line.Split(": ", 2))
            .ToDictionary(pair => pair[0].ToLowerInvariant(), pair => pair[1]);
        return new LoopbackRequest(first[0], first[1], headers);
    }

    private async Task WriteAsync(NetworkStream stream, LoopbackRequest request, LoopbackResponse response)
    {
        StringBuilder head = new($"HTTP/1.1 {response.Status} Answer\r\nConnection: close\r\n");
        if (!response.HidesLength && !response.Headers.ContainsKey("Content-Length"))
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {response.Body.Length}\r\n");
        foreach ((string name, string value) in response.Headers)
            head.Append($"{name}: {value}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{head}\r\n"), _stop.Token);
        if (request.Method == "HEAD")
            return;

        await response.Gate.WaitAsync(_stop.Token);
        ReadOnlyMemory<byte> body = response.Body;
        int most = Math.Min(response.CutAfter ?? body.Length, response.StallAfter ?? body.Length);
        for (int sent = 0; sent < most;)
        {
            int count = Math.Min(response.PieceBytes ?? most, most - sent);
            await stream.WriteAsync(body.Slice(sent, count), _stop.Token);
            sent += count;
            if (response.PieceBytes is not null)
                await Task.Delay(response.Pause, _stop.Token);
        }

        // Until the client hangs up, which it then does without another byte.
        if (response.StallAfter is not null)
            await stream.ReadExactlyAsync(new byte[1], _stop.Token);
    }
}
