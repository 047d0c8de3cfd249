using System.Net;
using System.Net.Http.Headers;

namespace PixioCuda.Hub;

/// <summary>Brings one file's content into the cache: goes on where an earlier download ended, and gives the blob its name only when
/// size and hash are what the hub said.</summary>
internal sealed class BlobDownload(HubClient client, HubCache cache, HubFile file, HubTimings timings, DownloadReport report)
{
    private const int BlockBytes = 1 << 20;

    // An attempt that brings less has not got on: a server that sends a byte and hangs up would else be asked for ever.
    private const long LeastProgress = 1 << 20;

    private readonly byte[][] _blocks =
        [.. Enumerable.Range(0, 2).Select(_ => new byte[(int)Math.Min(BlockBytes, file.ByteCount + 1)])];

    /// <summary>Downloads, unless another process has done so meanwhile.</summary>
    /// <exception cref="HubException">The server cannot be reached, refuses, or sends something else than it promised.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using HubLock held = await LockAsync(cancellationToken).ConfigureAwait(false);
        string blob = cache.Blob(file.Hash), incomplete = cache.IncompleteBlob(file.Hash);
        if (File.Exists(blob) && new FileInfo(blob).Length == file.ByteCount)
        {
            report.Add(file.ByteCount);
            return;
        }

        // The holder of the lock and the holder of the file may differ where an old lock file was removed under its holder.
        using (BlobSink sink = await OpenSinkAsync(incomplete, cancellationToken).ConfigureAwait(false))
        {
            long resumedAt = sink.Length;
            report.Add(resumedAt);
            await FillAsync(sink, cancellationToken).ConfigureAwait(false);
            string hash = sink.FinishHash();
            if (hash != file.Hash.Hex && resumedAt > 0)
            {
                // What was there before may be to blame, which nobody has checked.
                Restart(sink);
                await FillAsync(sink, cancellationToken).ConfigureAwait(false);
                hash = sink.FinishHash();
            }

            if (hash != file.Hash.Hex)
            {
                File.Delete(incomplete);
                throw new HubException(
                    $"What was sent as '{file.Name}' has the {file.Hash.Algorithm} {hash}, but the hub says {file.Hash.Hex}. Nothing of it "
                    + "was kept; try again, and if it stays so, look at the proxy or mirror in between.");
            }
        }

        File.Move(incomplete, blob, overwrite: true);
    }

    private Task<HubLock> LockAsync(CancellationToken cancellationToken) => HubLock.AcquireAsync(
        cache.LockFile(file.Hash), timings.LockPause,
        () => report.Notice($"Another process downloads '{file.Name}'; waiting for it."), cancellationToken);

    private async Task<BlobSink> OpenSinkAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return BlobSink.Open(path, file, cancellationToken);
            }
            catch (IOException exception) when (HubLock.IsHeld(exception))
            {
                await Task.Delay(timings.LockPause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private void Restart(BlobSink sink)
    {
        report.Add(-sink.Length);
        sink.Clear();
    }

    private async Task FillAsync(BlobSink sink, CancellationToken cancellationToken)
    {
        HubRetry retry = new(timings);
        while (sink.Length < file.ByteCount)
        {
            long before = sink.Length;
            try
            {
                await FetchAsync(sink, cancellationToken).ConfigureAwait(false);
            }
            catch (HubTransientException failure)
            {
                if (sink.Length - before >= LeastProgress)
                    retry.Progressed();
                await retry.PauseAsync(failure, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>One request: appends what the server sends, as far as it gets.</summary>
    private async Task FetchAsync(BlobSink sink, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await client.GetAsync(file, sink.Length, cancellationToken).ConfigureAwait(false);
        HttpContentHeaders headers = response.Content.Headers;
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            Restart(sink);
            throw new HubTransientException($"The server does not send the rest of '{file.Name}' (416).");
        }

        if (response.StatusCode == HttpStatusCode.PartialContent)
        {
            if (headers.ContentRange is not { From: long from } range || from != sink.Length
                || (range.Length ?? file.ByteCount) != file.ByteCount)
            {
                throw new HubException(
                    $"The server was asked for '{file.Name}' from byte {sink.Length} of {file.ByteCount} on, "
                    + $"but sends {headers.ContentRange}.");
            }
        }
        else if (sink.Length > 0)
        {
            // It sends the whole file again.
            Restart(sink);
        }

        if (headers.ContentLength is long length && length != file.ByteCount - sink.Length)
            throw WrongSize(sink.Length + length);
        using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await CopyAsync(body, sink, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads one block from the network while the one before is written and hashed.</summary>
    private async Task CopyAsync(Stream body, BlobSink sink, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task appended = Task.CompletedTask;
        long received = sink.Length;
        int turn = 0;
        while (true)
        {
            byte[] block = _blocks[turn];
            int count = 0;
            HubTransientException? failure = null;
            try
            {
                int read;
                do
                {
                    patience.CancelAfter(timings.StallTimeout);
                    read = await body.ReadAsync(block.AsMemory(count), patience.Token).ConfigureAwait(false);
                    count += read;
                    report.Add(read);
                }
                while (read > 0 && count < block.Length);
            }
            catch (OperationCanceledException)
            {
                failure = new HubTransientException(
                    $"Nothing more of '{file.Name}' came for {timings.StallTimeout.TotalSeconds:0.###} s, at byte {received + count}.");
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException)
            {
                failure = new HubTransientException(
                    $"The connection broke at byte {received + count} of '{file.Name}'.", innerException: exception);
            }

            received += count;
            await appended.ConfigureAwait(false);
            if (received > file.ByteCount)
                throw WrongSize(received);
            appended = sink.AppendAsync(block.AsMemory(0, count));
            if (failure is null && count == block.Length)
            {
                turn = 1 - turn;
                continue;
            }

            // What came before the end stays, whatever ended it.
            await appended.ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            if (failure is null && received < file.ByteCount)
                failure = new HubTransientException($"The server ended '{file.Name}' at byte {received} of {file.ByteCount}.");
            if (failure is not null)
                throw failure;
            return;
        }
    }

    private HubException WrongSize(long byteCount) => new(
        $"The server sends {byteCount} bytes or more as '{file.Name}', but the hub says that it has {file.ByteCount}; look at the proxy or "
        + "mirror in between.");
}
