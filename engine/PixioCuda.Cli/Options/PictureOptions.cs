using System.CommandLine;
using PixioCuda.Cli.Pictures;

namespace PixioCuda.Cli.Options;

/// <summary>Where pictures come from: the arguments, and the limits for those that are fetched.</summary>
internal sealed class PictureOptions
{
    private const string Help = "A picture: a path, - for standard input, or an http(s) address.";

    private readonly Argument<string[]> _images;

    private readonly Option<long?> _maxDownload = OptionFactory.WholeNumber(
        "--max-download", "The most megabytes that an address may give [default: 64].", 1, 2000);

    private readonly Option<double?> _timeout = OptionFactory.Seconds(
        "--timeout", "The most seconds that an address may take [default: 30].");

    public PictureOptions(Command command, bool several)
    {
        _images = new Argument<string[]>("IMAGE") { Description = Help, Arity = several ? ArgumentArity.OneOrMore : ArgumentArity.ExactlyOne };
        command.Add(_images);
        command.Add(_maxDownload);
        command.Add(_timeout);
    }

    /// <summary>The pictures' names, in the order in which they were given.</summary>
    public string[] Names(ParseResult parsed)
    {
        string[] names = parsed.GetValue(_images)!;
        return names.Count(name => name == PictureReader.StandardInput) <= 1
            ? names
            : throw new UsageException("The picture - (standard input) can be read only once, but is given several times.");
    }

    public PictureReader Reader(ParseResult parsed, CommandConsole console) => new(console.OpenInput, new DownloadLimits(
        (parsed.GetValue(_maxDownload) ?? 64) * 1_000_000,
        TimeSpan.FromSeconds(parsed.GetValue(_timeout) ?? 30)));
}
