using System.CommandLine;

namespace PixioCuda.Cli;

/// <summary>A command whose help ends with examples.</summary>
internal sealed class PixioCommand(string name, string description) : Command(name, description)
{
    /// <summary>Command lines that work as they are, and what each is for.</summary>
    public required IReadOnlyList<(string CommandLine, string Purpose)> Examples { get; init; }
}
