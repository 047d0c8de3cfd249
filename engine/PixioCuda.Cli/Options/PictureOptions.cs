using System.CommandLine;
using PixioCuda.Cli.Pictures;

namespace PixioCuda.Cli.Options;

/// <summary>Where pictures come from: the arguments, and the limits for those that are fetched.</summary>
internal sealed class PictureOptions
{
    private const string Help = "A picture: a path, - for standard input, or an http(s) address.";

    private readonly Func<ParseResult, string[]> _names;

    private readonly Option<long?> _maxDownload = OptionFactory.WholeNumber(
        "--max-download", "The most megabytes that an address may give [default: 64].", 1, 2000);

    private readonly Option<double?> _timeout = OptionFactory.Seconds(
        "--timeout", "The most seconds that an address may take [default: 30].");

    public PictureOptions(Command command, bool several)
    {
        if (several)
        {
            Argument<string[]> images = new("IMAGE") { Description = Help, Arity = ArgumentArity.OneOrMore };
            command.Add(images);
            _names = parsed => parsed.GetValue(images)!;
        }
        else
        {
            Argument<string> image = new("IMAGE") { Description = Help };
            command.Add(image);
            _names = parsed => [parsed.GetValue(image)!];
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

    public PictureReader Reader(ParseResult parsed, CommandConsole console) => new(console.OpenInput, new DownloadLimits(
        (parsed.GetValue(_maxDownload) ?? 64) * 1_000_000,
        TimeSpan.FromSeconds(parsed.GetValue(_timeout) ?? 30)));
}
