using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Xunit;

namespace PixioCuda.Tests.Cli;

public class PictureAddressTests
{
    private static readonly byte[] Picture = File.ReadAllBytes(CliData.Cat);

    [Fact]
    public void A_picture_is_fetched_through_a_redirection()
    {
        using LocalServer server = new(path => path == "/cat.png"
            ? Ok(Picture)
            : Text("HTTP/1.1 302 Found\r\nLocation: /cat.png\r\nContent-Length: 0\r\n\r\n"));
        PixioRun run = PixioRun.Of("embed", server.Address("moved"), "-m", CliData.Model, "--json");
        Assert.Equal(0, run.ExitCode);
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal(CliData.Embedding(CliData.Cat), CliData.Floats(json.RootElement.GetProperty("embedding")));
    }

    [Fact]
    public void Redirections_without_end_are_left()
    {
        using LocalServer server = new(path => Text($"HTTP/1.1 302 Found\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n"));
        Assert.Contains("redirects", Complaint(server.Address("a")), StringComparison.Ordinal);
        Assert.InRange(server.RequestCount, 2, 10);
    }

    [Fact]
    public void An_answer_other_than_the_picture_is_told()
    {
        using LocalServer server = new(_ => Text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        Assert.Contains("404", Complaint(server.Address("a.png")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_claimed_length_over_the_limit_is_refused_before_anything_is_sent()
    {
        using LocalServer server = new(_ => Text("HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n"));
        Assert.Contains("--max-download", Complaint(server.Address("a.png")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_body_over_the_limit_is_refused_whatever_was_claimed()
    {
        byte[] body = [.. Text("HTTP/1.1 200 OK\r\n\r\n"), .. new byte[1_200_000]];
        using LocalServer server = new(_ => body);
        Assert.Contains("more than the 1000000 bytes", Complaint(server.Address("a.png"), "--max-download", "1"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_says_nothing_is_left_in_time()
    {
        using LocalServer server = new(_ => null);
        Assert.Contains("--timeout", Complaint(server.Address("a.png"), "--timeout", "0.3"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_is_not_there_is_told()
    {
        using LocalServer server = new(_ => null);
        string address = server.Address("a.png");
        server.Dispose();
        Assert.Contains("cannot be fetched", Complaint(address), StringComparison.Ordinal);
    }

    private static string Complaint(string address, params string[] options)
    {
        PixioRun run = PixioRun.Of(["embed", address, "--model", CliData.Model, "--quiet", .. options]);
        Assert.Equal(3, run.ExitCode);
        string complaint = Assert.Single(run.ErrorLines);
        Assert.StartsWith("pixio: ", complaint, StringComparison.Ordinal);
        Assert.Contains(new Uri(address).Authority, complaint, StringComparison.Ordinal);
        return complaint;
    }

    /// <summary>Says that it closes the connection, as the server does: else the next request might be sent into one that is about to end.</summary>
    private static byte[] Text(string answer) =>
        Encoding.ASCII.GetBytes(answer.Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal));

    private static byte[] Ok(byte[] body) => [.. Text($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n"), .. body];

    /// <summary>Answers every request for a path with given bytes, then closes; null keeps silent.</summary>
    private sealed class LocalServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly Func<string, byte[]?> _answer;
        private int _requestCount;

        public LocalServer(Func<string, byte[]?> answer)
        {
            _answer = answer;
            _listener.Start();
            _ = Task.Run(AcceptAsync);
        }

        public int RequestCount => _requestCount;

        public string Address(string path) => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/{path}";

        public void Dispose()
        {
            _stop.Cancel();
            _listener.Stop();
        }

        private async Task AcceptAsync()
        {
            while (!_stop.IsCancellationRequested)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _ = AnswerAsync(client);
            }
        }

        private async Task AnswerAsync(TcpClient client)
        {
            using (client)
            {
                NetworkStream stream = client.GetStream();
                byte[] request = new byte[4096];
                int length = await stream.ReadAsync(request, _stop.Token);
                Interlocked.Increment(ref _requestCount);
                string path = Encoding.ASCII.GetString(request, 0, length).Split(' ')[1];
                if (_answer(path) is byte[] answer)
                    await stream.WriteAsync(answer, _stop.Token);
                else
                    await Task.Delay(Timeout.Infinite, _stop.Token);
            }
        }
    }
}
