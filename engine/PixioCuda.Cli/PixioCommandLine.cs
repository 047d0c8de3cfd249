using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Reflection;
using PixioCuda.Cli.Commands;

namespace PixioCuda.Cli;

/// <summary>The command <c>pixio</c>: parses a command line, runs what it names, and turns whatever goes wrong into one line and
/// an exit code.</summary>
internal static class PixioCommandLine
{
    /// <summary>The version that <c>--version</c> prints and every output carries.</summary>
    public static string Version { get; } =
        typeof(PixioModel).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Runs a command line.</summary>
    /// <param name="args">What follows <c>pixio</c>.</param>
    /// <param name="console">Where it reads and writes.</param>
    /// <param name="cancellationToken">Cancelled by Ctrl-C.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static int Run(IReadOnlyList<string> args, CommandConsole console, CancellationToken cancellationToken = default)
    {
        RootCommand root = Build(console, cancellationToken);
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        // Help and version clear the errors of what else was typed; their action is then not the parser's complaint.
        if (parsed.Action is ParseErrorAction or null)
            return ReportUsage(parsed, console);
        try
        {
            RequireNoUnknownOption(parsed);
            int exitCode = parsed.Invoke(new InvocationConfiguration
            {
                Output = console.Out,
                Error = console.Error,
                EnableDefaultExceptionHandler = false,
            });
            // What was not yet written may still fail, on a full disk for example, and must then count as failed.
            console.Out.Flush();
            return exitCode;
        }
        catch (Exception exception)
        {
            return Failure.Report(exception, console, cancellationToken);
        }
    }

    /// <summary>Writes what is left, for a command that ended early.</summary>
    public static void Flush(CommandConsole console)
    {
        try
        {
            console.Out.Flush();
        }
        catch (IOException)
        {
            // The reader of a pipe has left; whoever that matters to was told by the exit code.
        }
    }

    private static RootCommand Build(CommandConsole console, CancellationToken cancellationToken)
    {
        RootCommand root = new(
            "Features of pictures by Pixio vision encoders. Data goes to standard output, everything else to standard error.")
        {
            EmbedCommand.Create(console, cancellationToken),
            FeaturesCommand.Create(console, cancellationToken),
            ShowCommand.Create(console, cancellationToken),
            InfoCommand.Create(console, cancellationToken),
            ConvertCommand.Create(console, cancellationToken),
            VerifyCommand.Create(console, cancellationToken),
            SynthCommand.Create(console, cancellationToken),
            BenchCommand.Create(console, cancellationToken),
            ProfileCommand.Create(console, cancellationToken),
            KernelsCommand.Create(console),
            DoctorCommand.Create(console, cancellationToken),
        };
        foreach (Option option in root.Options)
        {
            if (option is HelpOption)
                option.Action = new HelpWithExamples();
            if (option is VersionOption)
                option.Action = new PrintVersion();
        }

        return root;
    }

    private static int ReportUsage(ParseResult parsed, CommandConsole console)
    {
        // One complaint is enough: the ones behind it often only follow from it.
        string message = UnknownWord(parsed) ?? (parsed.Errors.Count > 0 ? Sentences.OneLine(parsed.Errors[0].Message) : "Name a command.");
        List<string> path = [];
        for (Command? command = parsed.CommandResult.Command; command is not null and not RootCommand;
            command = command.Parents.OfType<Command>().FirstOrDefault())
            path.Insert(0, command.Name);
        console.Error.WriteLine($"pixio: {message} See '{string.Join(' ', ["pixio", .. path, "--help"])}'.");
        return ExitCodes.Usage;
    }

    /// <summary>What stands where a command should: of that the parser only says that there is no command.</summary>
    private static string? UnknownWord(ParseResult parsed)
    {
        if (parsed.CommandResult.Command is not RootCommand root || parsed.UnmatchedTokens.Count == 0)
            return null;
        string word = parsed.UnmatchedTokens[0];
        if (word.StartsWith('-'))
            return $"There is no option '{word}' in front of a command.";
        string[] commands = [.. root.Subcommands.Select(command => command.Name)];
        return NearestWord.To(word, commands) is string near
            ? $"There is no command '{word}': did you mean '{near}'?"
            : $"There is no command '{word}': they are {string.Join(", ", commands)}.";
    }

    /// <summary>What begins like an option but is none would be taken for a picture or a folder: a slip that deserves a better answer than
    /// "no such file". Behind a "--" everything is what it says.</summary>
    private static void RequireNoUnknownOption(ParseResult parsed)
    {
        if (parsed.Action is HelpWithExamples or PrintVersion || parsed.Tokens.Any(token => token.Type == TokenType.DoubleDash))
            return;
        string? unknown = parsed.CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(argument => argument.Tokens).Select(token => token.Value)
            .FirstOrDefault(value => value.Length > 1 && value[0] == '-');
        if (unknown is not null)
            throw new UsageException(
                $"There is no option '{unknown}' for this command. See 'pixio {parsed.CommandResult.Command.Name} --help'.");
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"pixio {Version}");
            return ExitCodes.Ok;
        }
    }
}
