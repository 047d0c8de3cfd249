using PixioCuda.Cli.Output;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Jobs;

/// <summary>A unit while it is done: its output, what failed, what its input is.</summary>
internal sealed class UnitRun(JobUnit unit, JobSettings settings, FeatureFormat format) : IDisposable
{
    private readonly string _path = Path.Combine(settings.Folder, $"{unit.Name}{settings.Extension}");

    // Looked at before the pictures are read: what changes afterwards shows the next time.
    private readonly string _fingerprint = unit.Fingerprint();
    private readonly ContentHash _content = new();
    private readonly List<FailedPicture> _failures = [];
    private IFeatureSink? _sink;
    private long _rows;

    public JobUnit Unit => unit;

    /// <summary>The hash of the tar file that the unit is; set before the unit's end comes.</summary>
    public string? TarHash { get; set; }

    /// <summary>Begins the output. What an earlier run left unfinished goes, and so does the manifest of outputs that are to be
    /// replaced.</summary>
    public void Begin()
    {
        string manifest = UnitManifest.FileOf(unit.Name);
        File.Delete(Path.Combine(settings.Folder, manifest));
        foreach (string file in FeatureFormat.FilesOf(_path).Select(path => Path.GetFileName(path)).Append(manifest))
            StaleFiles.Remove(settings.Folder, file);
        _sink = format.Create(_path);
    }

    /// <summary>Takes a picture's result.</summary>
    public void Add(PictureResult result, Func<string, IReadOnlyList<PictureFeature>, IReadOnlyList<FeatureTensor>> finish)
    {
        if (!unit.IsTar)
            _content.Add(result.Entry.Id, result.ContentHash);
        if (result.Failure is null)
        {
            _sink!.Add(result.Entry.Id, finish(result.Entry.Id, result.Features));
            _rows++;
        }
        else
        {
            FailedPicture failure = new(result.Entry.Id, Sentences.Of(result.Failure));
            _sink!.AddFailure(failure);
            _failures.Add(failure);
        }
    }

    /// <summary>Gives outputs and manifest their names.</summary>
    public UnitManifest Complete(IReadOnlyDictionary<string, string> settingsText)
    {
        _sink!.Complete();
        UnitManifest manifest = new(
            unit.Name, _fingerprint, unit.IsTar ? TarHash : _content.Finish(), settingsText, _rows, _failures,
            [.. FeatureFormat.FilesOf(_path).Select(path => UnitOutput.Of(settings.Folder, Path.GetFileName(path)))]);
        manifest.Write(settings.Folder);
        Dispose();
        return manifest;
    }

    public void Dispose()
    {
        _sink?.Dispose();
        _content.Dispose();
    }
}
