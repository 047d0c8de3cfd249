namespace PixioCuda.Cuda.Tests;

/// <summary>The repository, found from wherever the test program lies.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PixioCuda.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No PixioCuda.sln above {AppContext.BaseDirectory}: the tests run within the repository.");
    }
}
