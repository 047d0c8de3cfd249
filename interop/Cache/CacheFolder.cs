namespace PixioCuda.Interop;

/// <summary>Where compiled kernels are kept, and whether that folder can be trusted.</summary>
internal static class CacheFolder
{
    /// <summary>The variable by which a user names the folder of all caches.</summary>
    public const string OptionName = "PIXIO_CACHE_DIR";

    /// <summary>The folder of this process's environment: PIXIO_CACHE_DIR, or pixiocuda in the user's folder of caches.</summary>
    /// <param name="variable">Reads an environment variable.</param>
    /// <param name="problem">Why there is none.</param>
    /// <returns>A full path, or null.</returns>
    public static string? FromEnvironment(Func<string, string?> variable, out string? problem)
    {
        problem = null;
        if (variable(OptionName) is { Length: > 0 } option)
        {
            if (Path.IsPathFullyQualified(option))
                return option;
            problem = $"{OptionName} is the relative path '{option}', which would be another folder in every working directory; "
                + "give its full path";
            return null;
        }

        if (OperatingSystem.IsWindows())
        {
            string local = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData);
            return Path.Combine(local, "PixioCuda");
        }

        // A relative path is invalid there, says the XDG base directory specification, and is passed over.
        if (variable("XDG_CACHE_HOME") is { Length: > 0 } xdg && Path.IsPathFullyQualified(xdg))
            return Path.Combine(xdg, "pixiocuda");
        if (variable("HOME") is { Length: > 0 } home && Path.IsPathFullyQualified(home))
            return Path.Combine(home, ".cache", "pixiocuda");
        problem = $"neither {OptionName} nor HOME is set";
        return null;
    }

    /// <summary>The folder of kernels within the folder of caches; made, for its owner alone, where it is not there.</summary>
    /// <param name="root">The folder of caches.</param>
    /// <param name="problem">Why it cannot be used: a clause.</param>
    /// <returns>Its path, or null.</returns>
    public static string? Open(string root, out string? problem) => Open(root, FolderOwnership.Of, out problem);

    /// <inheritdoc cref="Open(string, out string?)"/>
    /// <param name="root">The folder of caches.</param>
    /// <param name="ownershipOf">Tells who owns a folder; unused on Windows, where a user's folders are the user's own.</param>
    /// <param name="problem">Why it cannot be used: a clause.</param>
    public static string? Open(string root, Func<string, FolderOwnership> ownershipOf, out string? problem)
    {
        string folder = Path.Combine(root, "kernels");
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
                problem = null;
                return folder;
            }

            // One at a time: the mode is given only to the last folder of a path.
            foreach (string made in (string[])[root, folder])
            {
                if (!Directory.Exists(made))
                    Directory.CreateDirectory(made, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            // Who may write to the folder above could put another one in this one's place.
            foreach (string checkedFolder in (string[])[root, folder])
            {
                if (ownershipOf(checkedFolder).Objection(FolderOwnership.CurrentUserId) is string objection)
                {
                    problem = $"the folder '{checkedFolder}' is not trusted with code: {objection}";
                    return null;
                }
            }

            problem = null;
            return folder;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            problem = $"the folder '{folder}' cannot be used: {exception.Message}";
            return null;
        }
    }
}
