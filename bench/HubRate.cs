using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using PixioCuda.Hub;

namespace PixioCuda.Bench;

/// <summary>The rate at which a gigabyte comes from a server on this machine: by curl, which only writes it, and by the hub's client, which
/// also hashes it. Both write to the same disk, by turns, from the same server, which sends from the page cache.</summary>
internal static class HubRate
{
    private const string Repository = "facebook/pixio-bench";
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private const int Rounds = 7;

    /// <summary>Measures and prints.</summary>
    /// <param name="byteCount">The length of the file.</param>
    /// <returns>0, or 1 where curl is not there or what arrived was wrong.</returns>
    public static int Run(long byteCount)
    {
        string folder = Directory.CreateTempSubdirectory("pixio-hub-rate-").FullName;
        try
        {
            string source = Path.Combine(folder, "source"), target = Path.Combine(folder, "target");
            string hash = WriteSource(source, byteCount);
            using TcpListener listener = new(IPAddress.Loopback, 0);
            listener.Start();
            int port = ((IPEndPoint)listener.LocalEndpoint).Port;
            new Thread(() => Serve(listener, source, byteCount, hash)) { IsBackground = true }.Start();

            List<double> curl = [], hub = [];
            for (int round = -1; round < Rounds; round++)
            {
                string address = $"http://127.0.0.1:{port}/{Repository}/resolve/{Commit}/model.safetensors";
                double byCurl = Timed(target, () => Curl(address, target));
                if (new FileInfo(target).Length != byteCount)
                    throw new InvalidDataException("What curl wrote has another length.");
                File.Delete(target);
                double byHub = Timed(target, () => Download(port, target));
                if (!File.Exists(Path.Combine(target, $"models--{Repository.Replace("/", "--", StringComparison.Ordinal)}", "blobs", hash)))
                    throw new InvalidDataException("The hub's client did not keep the file.");
                Directory.Delete(target, recursive: true);
                if (round < 0)
                    continue;
                curl.Add(byteCount / byCurl / 1e9);
                hub.Add(byteCount / byHub / 1e9);
                Print($"round {round + 1}: curl {curl[^1]:F2} GB/s, hub {hub[^1]:F2} GB/s, ratio {hub[^1] / curl[^1]:P0}");
            }

            double[] ratios = [.. curl.Zip(hub, (a, b) => b / a).Order()];
            curl.Sort();
            hub.Sort();
            Print($"median of {Rounds}: curl {curl[Rounds / 2]:F2} GB/s, hub {hub[Rounds / 2]:F2} GB/s");
            Print($"median ratio {ratios[Rounds / 2]:P0} ({ratios[0]:P0} to {ratios[^1]:P0})");
            return 0;
        }
        catch (Exception exception) when (exception is InvalidDataException or System.ComponentModel.Win32Exception or HubException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Print(FormattableString text) => Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private static double Timed(string target, Action work)
    {
        // What the round before left to be written must not be written in this one.
        using (var sync = Process.Start("sync", [Path.GetDirectoryName(target)!]))
            sync.WaitForExit();
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Curl(string address, string target)
    {
        using var curl = Process.Start("curl", ["--silent", "--fail", "--noproxy", "*", "--output", target, address]);
        curl.WaitForExit();
        if (curl.ExitCode != 0)
            throw new InvalidDataException($"curl ended with {curl.ExitCode}.");
    }

    private static void Download(int port, string target) => PixioHub.DownloadAsync(Repository, new HubOptions
    {
        Endpoint = $"http://127.0.0.1:{port}",
        CacheFolder = target,
        Token = "",
        Offline = false,
    }).GetAwaiter().GetResult();

    private static string WriteSource(string path, long byteCount)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using FileStream file = File.Create(path);
        byte[] block = new byte[1 << 20];
        Random random = new(1);
        for (long left = byteCount; left > 0; left -= block.Length)
        {
            random.NextBytes(block);
            ReadOnlySpan<byte> piece = block.AsSpan(0, (int)Math.Min(left, block.Length));
            file.Write(piece);
            hash.AppendData(piece);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Serve(TcpListener listener, string source, long byteCount, string hash)
    {
        try
        {
            while (true)
            {
                Socket socket = listener.AcceptSocket();
                new Thread(() => Answer(socket, source, byteCount, hash)) { IsBackground = true }.Start();
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The measurement is over.
        }
    }

    private static void Answer(Socket socket, string source, long byteCount, string hash)
    {
        using Socket connection = socket;
        byte[] buffer = new byte[1 << 14];
        int length = 0;
        while (!buffer.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            int read = connection.Receive(buffer.AsSpan(length));
            if (read == 0)
                return;
            length += read;
        }

        string[] request = Encoding.ASCII.GetString(buffer, 0, length).Split(' ', 3);
        bool isWeights = request[1].EndsWith("/model.safetensors", StringComparison.Ordinal);
        byte[] config = "{}"u8.ToArray();
        // SHA-1 of git's blob of "{}".
        string etag = isWeights ? hash : "9e26dfeeb6e641a33dae4961196235bdb965b21b";
        connection.Send(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {Commit}\r\n"
            + $"Content-Length: {(isWeights ? byteCount : config.Length)}\r\n\r\n")));
        if (request[0] == "HEAD")
            return;
        if (isWeights)
            connection.SendFile(source);
        else
            connection.Send(config);
        connection.Shutdown(SocketShutdown.Both);
    }
}
