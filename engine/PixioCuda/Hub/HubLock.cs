namespace PixioCuda.Hub;

/// <summary>A lock between processes, ours and Python's: an exclusive advisory lock (flock) on a file, which the system takes back when
/// its holder dies. The file itself stays.</summary>
internal sealed class HubLock : IDisposable
{
    // EAGAIN of Linux and of macOS; ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION of Windows.
    private static readonly int[] HeldErrors = [11, 35, 32, 33];

    private readonly FileStream _file;

    private HubLock(FileStream file) => _file = file;

    /// <summary>Waits for a lock.</summary>
    /// <param name="path">The lock's file, made where it is not there.</param>
    /// <param name="pause">Between two looks.</param>
    /// <param name="onWait">Called once, when another process holds the lock.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="HubException">The lock's file cannot be written.</exception>
    public static async Task<HubLock> AcquireAsync(string path, TimeSpan pause, Action onWait, CancellationToken cancellationToken)
    {
        for (bool isFirst = true; ; isFirst = false)
        {
            try
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                // FileShare.None is flock(LOCK_EX | LOCK_NB) where there is flock.
                return new HubLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0));
            }
            catch (IOException exception) when (IsHeld(exception))
            {
                if (isFirst)
                    onWait();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new HubException(
                    $"The lock '{path}' cannot be taken ({exception.Message.TrimEnd('.')}). Make it writable for you, or set "
                    + "HF_HUB_CACHE to a folder of your own.", exception);
            }

            await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a file could not be opened because somebody else has it.</summary>
    public static bool IsHeld(IOException exception) => HeldErrors.Contains(exception.HResult & 0xFFFF);

    public void Dispose() => _file.Dispose();
}
