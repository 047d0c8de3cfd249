namespace PixioCuda.Tests;

/// <summary>The files under tests/data, found from wherever the test program lies.</summary>
internal static class TestData
{
    private static readonly string Root = Find();

    public static string Path(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Root, .. parts]);

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = System.IO.Path.Combine(folder.FullName, "tests", "data");
            if (Directory.Exists(candidate))
                return candidate;
        }

        throw new DirectoryNotFoundException($"No folder tests/data above {AppContext.BaseDirectory}: the tests need the repository's data.");
    }
}
