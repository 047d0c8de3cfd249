using Spectre.Console;

namespace PixioCuda.Cli.Output;

/// <summary>A progress bar on a terminal. Kept apart, so that Spectre.Console is loaded only where a bar is drawn.</summary>
internal static class ProgressBar
{
    /// <param name="terminal">Where the bar is drawn.</param>
    /// <param name="description">What is done.</param>
    /// <param name="work">Does it, and says how much of it is done.</param>
    /// <param name="setWriter">Given what writes a line above the bar while there is one, and null afterwards.</param>
    public static T Run<T>(TextWriter terminal, string description, Func<Action<double>?, T> work, Action<Action<string>?> setWriter)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal) });
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(description), maxValue: 1);
                setWriter(console.WriteLine);
                try
                {
                    return work(done => task.Value = done);
                }
                finally
                {
                    setWriter(null);
                }
            });
    }
}
