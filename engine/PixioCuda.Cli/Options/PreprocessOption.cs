using System.CommandLine;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Options;

/// <summary>What resizes and normalises pictures: an option of the commands that run them through a pipeline.</summary>
internal sealed class PreprocessOption
{
    private const string Auto = "auto";
    private const string Cpu = "cpu";
    private const string Gpu = "gpu";

    private readonly Option<string> _preprocess = OptionFactory.Choice(
        "--preprocess", "What resizes and normalises pictures, with the same bits: auto takes the GPU where the model is on one and has "
            + "memory to spare.", Auto, Auto, Cpu, Gpu);

    public PreprocessOption(Command command) => command.Add(_preprocess);

    public PreprocessOn Read(ParseResult parsed) => parsed.GetValue(_preprocess) switch
    {
        Cpu => PreprocessOn.Cpu,
        Gpu => PreprocessOn.Gpu,
        _ => PreprocessOn.Auto,
    };
}
