using System.Runtime.CompilerServices;
using Spectre.Console;

namespace PixioCuda.Cli.Output;

/// <summary>A table of names and values: with colours and wrapping on a terminal, else one line for each.</summary>
internal static class FactTable
{
    public static void Print(CommandConsole console, IReadOnlyList<(string Name, string Value)> facts)
    {
        if (console.OutIsTerminal)
        {
            PrintToTerminal(console.Out, facts);
            return;
        }

        int width = facts.Max(fact => fact.Name.Length);
        foreach ((string name, string value) in facts)
            console.Out.WriteLine($"{name.PadRight(width)}  {value}");
    }

    // Kept apart, so that Spectre.Console is loaded only for a terminal.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PrintToTerminal(TextWriter terminal, IReadOnlyList<(string Name, string Value)> facts)
    {
        Grid grid = new();
        grid.AddColumn(new GridColumn().NoWrap().PadLeft(0).PadRight(2));
        grid.AddColumn(new GridColumn().PadRight(0));
        foreach ((string name, string value) in facts)
            grid.AddRow($"[green]{Markup.Escape(name)}[/]", Markup.Escape(value));
        AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal) }).Write(grid);
    }
}
