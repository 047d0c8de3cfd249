namespace PixioCuda.Weights;

/// <summary>Writes checkpoint folders whose files appear all together or not at all.</summary>
internal static class CheckpointFolder
{
    /// <summary>The encoder's dimensions.</summary>
    public const string ConfigFile = "config.json";

    /// <summary>How pictures become the encoder's input.</summary>
    public const string ProcessorFile = "preprocessor_config.json";

    /// <summary>Has the files of a checkpoint written beside their final place, and moves them there when all are complete.</summary>
    /// <param name="folder">Where the checkpoint is to be; made if it is not there.</param>
    /// <param name="overwrite">Whether a model that is already in the folder may be replaced.</param>
    /// <param name="writeFiles">Writes every file into the folder that it is given.</param>
    /// <exception cref="IOException">The folder already holds a model, or cannot be written.</exception>
    public static void Write(string folder, bool overwrite, Action<string> writeFiles)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!overwrite && ModelFiles(folder).FirstOrDefault() is string present)
            throw new IOException(
                $"The folder '{folder}' already holds a model ({Path.GetFileName(present)}), "
                + "which is not overwritten unless you ask for it.");

        bool isNew = !Directory.Exists(folder);
        string target = Directory.CreateDirectory(folder).FullName;
        string unfinished = Path.Combine(target, $".unfinished-{Path.GetRandomFileName()}");
        bool isComplete = false;
        try
        {
            Directory.CreateDirectory(unfinished);
            writeFiles(unfinished);
            foreach (string old in ModelFiles(target))
                File.Delete(old);
            foreach (string file in ModelFiles(unfinished))
                File.Move(file, Path.Combine(target, Path.GetFileName(file)));
            isComplete = true;
        }
        finally
        {
            if (Directory.Exists(unfinished))
                Directory.Delete(unfinished, recursive: true);
            if (isNew && !isComplete && !Directory.EnumerateFileSystemEntries(target).Any())
                Directory.Delete(target);
        }
    }

    /// <summary>What belongs to a checkpoint in a folder. The config comes last: without it the others are no model yet.</summary>
    private static IEnumerable<string> ModelFiles(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. Directory.EnumerateFiles(folder, "model*.safetensors"),
        .. new[] { Checkpoint.IndexFile, ProcessorFile, ConfigFile }.Select(name => Path.Combine(folder, name)).Where(File.Exists),
    ];
}
