using System.CommandLine;
using PixioCuda.Cli.Doctor;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio doctor</c>: whether models can run on CUDA here, and what is missing.</summary>
internal sealed class DoctorCommand
{
    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "doctor", "Says whether models can run on CUDA here: driver, devices, compiler, cache, and test kernels whose results are checked.")
    {
        Examples =
        [
            ("pixio doctor", "what is there, what is missing, and the command that gets it"),
            ("pixio doctor --json", "for scripts; the exit code is 4 where something is wrong"),
        ],
    };

    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document.");

    private DoctorCommand(CommandConsole console)
    {
        _console = console;
        _command.Add(_json);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        DoctorCommand doctor = new(console);
        doctor._command.SetAction(parsed => doctor.Run(parsed, cancellationToken));
        return doctor._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        DoctorReport report = Diagnosis.Run(cancellationToken);
        if (parsed.GetValue(_json))
            _console.Out.WriteLine(JsonText.Of(report.Write));
        else
            report.Print(_console.Out);
        return report.IsWell ? ExitCodes.Ok : ExitCodes.NotRight;
    }
}
