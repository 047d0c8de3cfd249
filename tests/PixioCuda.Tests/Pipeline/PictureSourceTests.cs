using System.Formats.Tar;
using PixioCuda.Pipeline;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Pipeline;

public sealed class PictureSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("data-{0008..0011}.tar", "data-0008.tar data-0009.tar data-0010.tar data-0011.tar")]
    [InlineData("{8..11}", "8 9 10 11")]
    [InlineData("{train,val}/{0..1}.tar", "train/0.tar train/1.tar val/0.tar val/1.tar")]
    [InlineData("x{a,}y", "xay xy")]
    [InlineData("plain", "plain")]
    public void Braces_stand_for_names_in_order(string pattern, string expected) =>
        Assert.Equal(expected.Split(' '), BracePattern.Expand(pattern));

    [Theory]
    [InlineData("a{0..3", "without a partner")]
    [InlineData("a{{0..3}}", "within another")]
    [InlineData("a{3..0}", "ascending")]
    [InlineData("a{x..y}", "whole numbers")]
    [InlineData("{0..9999}{0..9999}", "more than 10000000")]
    [InlineData("{0..9223372036854775807}", "more than 10000000")]
    public void Braces_that_make_no_sense_are_refused(string pattern, string hint) =>
        Assert.Contains(
            hint, Assert.Throws<PictureSourceException>(() => BracePattern.Expand(pattern).Count()).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("*.jpg", "a.jpg", true)]
    [InlineData("*.jpg", ".jpg", false)]
    [InlineData("*.jpg", "a.jpg.txt", false)]
    [InlineData("?.png", "ab.png", false)]
    [InlineData("a*b*c", "a-b-b-c", true)]
    [InlineData("a*b*c", "a-b-b", false)]
    [InlineData("[a-c]x", "bx", true)]
    [InlineData("[!a-c]x", "bx", false)]
    [InlineData("[!a-c]x", "dx", true)]
    [InlineData("[]]x", "]x", true)]
    [InlineData("[", "[", true)]
    [InlineData("**", "anything", true)]
    public void Patterns_match_as_shells_match(string pattern, string name, bool matches) =>
        Assert.Equal(matches, GlobPattern.Matches(pattern, name));

    [Fact]
    public void A_folder_gives_its_pictures_in_the_order_of_their_paths()
    {
        Write("b/2.png", "b/10.JPG", "b/note.txt", "b/.hidden.png", "b.png", "a/deep/er/x.webp", "a.png", ".git/y.png");
        Assert.Equal(["a.png", "a/deep/er/x.webp", "b.png", "b/10.JPG", "b/2.png"], Ids(_folder.Root));
        // The order is that of whole paths, whatever lies in which folder.
        string[] ids = Ids(_folder.Root);
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
    }

    [Fact]
    public void A_link_to_a_folder_above_is_no_way_round_in_circles()
    {
        Write("a/x.png");
        Directory.CreateSymbolicLink(_folder.File("a/up"), _folder.Root);
        File.CreateSymbolicLink(_folder.File("a/y.png"), _folder.File("a/x.png"));
        Assert.Equal(["a/x.png", "a/y.png"], Ids(_folder.Root));
    }

    [Theory]
    [InlineData("*.png", "a.png")]
    [InlineData("*/*.png", "one/b.png two/d.png")]
    [InlineData("**/*.png", "a.png one/b.png one/deep/c.png two/d.png")]
    [InlineData("one/**/*.png", "one/b.png one/deep/c.png")]
    [InlineData("**/deep/**", "one/deep/c.png")]
    [InlineData("{one,two}/?.png", "one/b.png two/d.png")]
    [InlineData("o*", "one/b.png one/deep/c.png")]
    public void Patterns_find_files_in_order(string pattern, string expected)
    {
        Write("a.png", "one/b.png", "one/deep/c.png", "two/d.png", "two/d.txt");
        Assert.Equal(expected.Split(' '), Ids(_folder.File(pattern)));
    }

    [Fact]
    public void A_pattern_that_fits_nothing_is_an_error() => Assert.Contains(
        "*.png", Assert.Throws<PictureSourceException>(() => Ids(_folder.File("*.png"))).Message, StringComparison.Ordinal);

    [Fact]
    public void What_exists_under_its_name_is_no_pattern()
    {
        Write("a{0..1}.png", "[b].png");
        Assert.Equal(["a{0..1}.png"], Ids(_folder.File("a{0..1}.png")));
        Assert.Equal(["[b].png"], Ids(_folder.File("[b].png")));
    }

    [Fact]
    public void A_tar_gives_its_pictures_under_its_name()
    {
        File.WriteAllBytes(_folder.File("d.tar"), TarBytes.Of(
            TarEntryFormat.Pax, ("001.jpg", [1, 2]), ("001.txt", [3]), ("in/002.PNG", [4]), ("._003.jpg", [5])));
        List<(string, byte[])> read = [];
        foreach (PictureEntry entry in PictureSource.Of(_folder.File("d.tar")))
            read.Add((Relative(entry.Id), entry.Read(TestContext.Current.CancellationToken).Bytes.ToArray()));
        Assert.Equal(["d.tar/001.jpg", "d.tar/in/002.PNG"], read.Select(picture => picture.Item1));
        Assert.Equal([[1, 2], [4]], read.Select(picture => picture.Item2));
    }

    [Fact]
    public void A_damaged_tar_gives_what_lies_before_the_damage_and_its_failure()
    {
        byte[] whole = TarBytes.Of(TarEntryFormat.Ustar, ("1.jpg", [1]), ("2.jpg", [2]));
        File.WriteAllBytes(_folder.File("cut.tar"), whole[..1500]);
        PictureEntry[] entries = [.. PictureSource.Of(_folder.File("cut.tar"), _folder.File("missing.tar"))];
        Assert.Equal(["cut.tar/1.jpg", "cut.tar", "missing.tar"], entries.Select(entry => Relative(entry.Id)));
        Assert.Contains("cut short", entries[1].Failure!.Message, StringComparison.Ordinal);
        Assert.Contains("There is no tar file", entries[2].Failure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_are_words()
    {
        Write("a.png", "b/c.png");
        using StringReader lines = new($"{_folder.File("a.png")}\n\n{_folder.File("b")}\n");
        Assert.Equal(["a.png", "b/c.png"], PictureSource.OfLines(lines).Select(entry => Relative(entry.Id)));
    }

    private void Write(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder.File(name))!);
            File.WriteAllText(_folder.File(name), "");
        }
    }

    private string[] Ids(string word) => [.. PictureSource.Of(word).Select(entry => Relative(entry.Id))];

    private string Relative(string id) => Path.GetRelativePath(_folder.Root, id);
}
