namespace PixioCuda.Tests.Weights;

/// <summary>A folder that a test has for itself, removed when the test ends.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("pixio-tests-").FullName;

    public string File(string name) => Path.Combine(Root, name);

    public string Write(string name, ReadOnlySpan<byte> content)
    {
        System.IO.File.WriteAllBytes(File(name), content);
        return File(name);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
