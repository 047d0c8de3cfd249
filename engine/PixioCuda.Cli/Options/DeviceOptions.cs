using System.CommandLine;

namespace PixioCuda.Cli.Options;

/// <summary>What a model runs on.</summary>
internal sealed class DeviceOptions
{
    private const string Auto = "auto";
    private const string Cpu = "cpu";

    private readonly Option<string> _device = OptionFactory.Choice("--device", "What runs the model.", Auto, Auto, Cpu);

    private readonly Option<long?> _threads = OptionFactory.WholeNumber(
        "--threads", "Threads of the CPU [default: one on every core].", 1, 1024);

    public DeviceOptions(Command command)
    {
        command.Add(_device);
        command.Add(_threads);
    }

    public int? Threads(ParseResult parsed) => (int?)parsed.GetValue(_threads);

    /// <summary>The library's options, as far as they are those of this class.</summary>
    public PixioModelOptions Read(ParseResult parsed) => new()
    {
        Device = parsed.GetValue(_device)!,
        Threads = Threads(parsed),
    };
}
