using System.CommandLine;

namespace PixioCuda.Cli.Output;

/// <summary>What a command says beside its data.</summary>
internal sealed class Messages(CommandConsole console, bool isQuiet)
{
    // While a progress bar is drawn, lines go through it, so that they come to stand above.
    private volatile Action<string>? _aboveBar;

    /// <summary>The option that every command has.</summary>
    public static Option<bool> QuietOption() => new("--quiet", "-q") { Description = "Only errors on standard error." };

    /// <summary>Something worth knowing.</summary>
    public void Note(string text)
    {
        if (!isQuiet)
            (_aboveBar ?? console.Error.WriteLine)(text);
    }

    /// <summary>Something that may make the result worthless.</summary>
    public void Warn(string text) => Note($"pixio: warning: {text}");

    public void WarnOfRandomWeights(string name) =>
        Warn($"The weights are random ({name}): the features say nothing about a picture.");

    /// <summary>Says now and then how far something is, until what is returned is disposed of; null where nobody wants to know.</summary>
    public StatusLine? BeginStatus(Func<string> text)
    {
        if (isQuiet)
            return null;
        StatusLine status = new(console.Error, console.ErrorIsTerminal, text);
        _aboveBar = line => status.Above(() => console.Error.WriteLine(line));
        return status;
    }

    /// <summary>Does something long, with a progress bar where somebody looks; the work is told null where nobody does.</summary>
    public T WithProgress<T>(string description, Func<Action<double>?, T> work) =>
        isQuiet || !console.ErrorIsTerminal
            ? work(null)
            : ProgressBar.Run(console.Error, description, work, aboveBar => _aboveBar = aboveBar);
}
