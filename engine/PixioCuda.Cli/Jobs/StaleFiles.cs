namespace PixioCuda.Cli.Jobs;

/// <summary>What a run that was killed leaves behind.</summary>
internal static class StaleFiles
{
    /// <summary>Removes the temporary files of an output that nobody is writing any more. Another process's are left alone: it holds a lock
    /// on them.</summary>
    public static void Remove(string folder, string file)
    {
        foreach (string stale in Directory.EnumerateFiles(folder, $".{file}.*"))
        {
            try
            {
                using (new FileStream(stale, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
                    File.Delete(stale);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // In use, or gone meanwhile.
            }
        }
    }
}
