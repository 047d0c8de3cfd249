using System.CommandLine;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Options;

/// <summary>Where pictures come from: the arguments, a list, and the limits for those that are fetched.</summary>
internal sealed class PictureOptions
{
    private const string OneHelp = "A picture: a path, - for standard input, or an http(s) address.";
    private const string ManyHelp = "Pictures: a path, a folder, a .tar, a pattern such as 'photos/**/*.jpg' or 'data-{0000..0999}.tar', "
        + "- for standard input, or an http(s) address.";

    private readonly Func<ParseResult, string[]> _names;
    private readonly Option<string?>? _list;

    private readonly Option<long?> _maxDownload = OptionFactory.WholeNumber(
        "--max-download", "The most megabytes that an address may give [default: 64].", 1, 2000);

    private readonly Option<double?> _timeout = OptionFactory.Seconds(
        "--timeout", "The most seconds that an address may take [default: 30].");

    public PictureOptions(Command command, bool several, bool withList = false)
    {
        if (several)
        {
            Argument<string[]> images = new("IMAGE")
            {
                Description = withList ? ManyHelp : OneHelp,
                Arity = withList ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore,
            };
            command.Add(images);
            _names = parsed => parsed.GetValue(images) ?? [];
        }
        else
        {
            Argument<string> image = new("IMAGE") { Description = OneHelp };
            command.Add(image);
            _names = parsed => [parsed.GetValue(image)!];
        }

        if (withList)
        {
            _list = new Option<string?>("--list")
            {
                Description = "A file of pictures, one on each line, of any kind that IMAGE may be; - for standard input.",
                HelpName = "FILE",
            };
            command.Add(_list);
        }

        command.Add(_maxDownload);
        command.Add(_timeout);
    }

    /// <summary>The pictures' names, in the order in which they were given.</summary>
    public string[] Names(ParseResult parsed)
    {
        string[] names = _names(parsed);
        return names.Count(name => name == PictureReader.StandardInput) <= 1
            ? names
            : throw new UsageException("The picture - (standard input) can be read only once, but is given several times.");
    }

    /// <summary>The names and what the list holds.</summary>
    /// <exception cref="UsageException">There is neither, or standard input would be both a list and a picture.</exception>
    public PictureList List(ParseResult parsed, CommandConsole console)
    {
        string[] names = Names(parsed);
        string? list = _list is null ? null : parsed.GetValue(_list);
        if (names.Length == 0 && list is null)
            throw new UsageException("Name at least one IMAGE, or a --list of them. See 'pixio embed --help'.");
        if (list == PictureReader.StandardInput && names.Contains(PictureReader.StandardInput))
            throw new UsageException("Standard input is either the --list or a picture, not both.");
        if (list is not null && list != PictureReader.StandardInput && !File.Exists(list))
            throw new InputException($"There is no list '{list}'.");
        return new PictureList(names, list, console.OpenInput);
    }

    public PictureReader Reader(ParseResult parsed, CommandConsole console) => new(console.OpenInput, new DownloadLimits(
        (parsed.GetValue(_maxDownload) ?? 64) * 1_000_000,
        TimeSpan.FromSeconds(parsed.GetValue(_timeout) ?? 30)));
}

/// <summary>What the user calls pictures.</summary>
/// <param name="Names">On the command line.</param>
/// <param name="ListPath">A file with one on each line, "-" for standard input, or null.</param>
/// <param name="OpenInput">Opens standard input.</param>
internal sealed record PictureList(string[] Names, string? ListPath, Func<Stream> OpenInput)
{
    /// <summary>Whether the words can be gone through more than once.</summary>
    public bool IsRepeatable => ListPath != PictureReader.StandardInput;

    /// <summary>Whether every picture is named one by one on the command line.</summary>
    public bool IsNamedOneByOne => ListPath is null && Names.All(PictureWords.IsOnePicture);

    /// <summary>All words, those of the list read as they are needed.</summary>
    public IEnumerable<string> Words()
    {
        foreach (string name in Names)
            yield return name;
        if (ListPath is null)
            yield break;
        using StreamReader reader = IsRepeatable ? new StreamReader(ListPath) : new StreamReader(OpenInput());
        foreach (string line in PictureSource.Lines(reader))
            yield return line;
    }
}
