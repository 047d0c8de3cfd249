namespace PixioCuda.Cuda.Tests;

/// <summary>The repository, or the bundle that make bundle makes of it, found from wherever the test program lies.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, "tests", "data")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No folder tests/data above {AppContext.BaseDirectory}: the tests need the repository's data.");
    }
}
