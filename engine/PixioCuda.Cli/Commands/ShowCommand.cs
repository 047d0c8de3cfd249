using System.CommandLine;

namespace PixioCuda.Cli.Commands;

internal sealed class ShowCommand
{
    public static Command Create(CommandConsole console, CancellationToken cancellationToken) => new("show");
}
