using Spectre.Console;

namespace PixioCuda.Cli.Output;

/// <summary>A progress bar on a terminal. Kept apart, so that Spectre.Console is loaded only where a bar is drawn.</summary>
internal static class ProgressBar
{
    public static T Run<T>(TextWriter terminal, string description, Func<Action<double>?, T> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal) });
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(description), maxValue: 1);
                return work(done => task.Value = done);
            });
    }
}
