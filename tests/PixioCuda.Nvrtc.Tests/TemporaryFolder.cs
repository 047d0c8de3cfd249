namespace PixioCuda.Nvrtc.Tests;

/// <summary>A folder that a test has for itself, removed when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("pixio-tests-").FullName;

    /// <summary>Makes a folder within.</summary>
    public string Folder(params string[] parts) => Directory.CreateDirectory(Path.Combine([Root, .. parts])).FullName;

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
