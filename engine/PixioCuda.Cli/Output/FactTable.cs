using Spectre.Console;

namespace PixioCuda.Cli.Output;

/// <summary>A table of names and values: plain aligned columns, the names in colour on a terminal.</summary>
internal static class FactTable
{
    public static void Print(CommandConsole console, IReadOnlyList<(string Name, string Value)> facts)
    {
        IAnsiConsole ansi = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = console.OutIsTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(console.Out),
        });
        // Where nobody's window limits a line, one fact is one line, for grep.
        if (!console.OutIsTerminal)
            ansi.Profile.Width = 1 << 12;
        Grid grid = new();
        grid.AddColumn(new GridColumn().NoWrap().PadLeft(0).PadRight(2));
        grid.AddColumn(new GridColumn().PadRight(0));
        foreach ((string name, string value) in facts)
            grid.AddRow($"[green]{Markup.Escape(name)}[/]", Markup.Escape(value));
        ansi.Write(grid);
    }
}
