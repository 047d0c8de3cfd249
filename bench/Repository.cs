namespace PixioCuda.Bench;

/// <summary>Where the repository is, or the bundle that make bundle makes of it: the pictures to measure with are among its test data.</summary>
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

        throw new DirectoryNotFoundException($"No folder tests/data above {AppContext.BaseDirectory}: the benchmarks need the repository's test data.");
    }
}
