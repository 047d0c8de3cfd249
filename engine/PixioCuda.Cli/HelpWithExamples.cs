using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace PixioCuda.Cli;

/// <summary>The parser's own help, then examples, the names of models, and the exit codes.</summary>
internal sealed class HelpWithExamples : SynchronousCommandLineAction
{
    private static readonly (string CommandLine, string Purpose)[] RootExamples =
    [
        ("pixio embed photo.jpg --model random:vitb16", "try it without any weights"),
        ("pixio show photo.jpg --model DIR --output features.png", "look at what a model sees"),
        ("pixio info random:vith16", "how large a model is, and what it costs"),
    ];

    private readonly HelpAction _help = new();

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int result = _help.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach ((string commandLine, string purpose) in (parseResult.CommandResult.Command as PixioCommand)?.Examples ?? RootExamples)
        {
            output.WriteLine($"  # {purpose}");
            output.WriteLine($"  {commandLine}");
        }

        output.WriteLine();
        output.WriteLine("Models:");
        output.WriteLine("  a checkpoint folder (config.json and model.safetensors or its shards), a file of weights (.safetensors, or");
        output.WriteLine("  PyTorch's .pth; config.json beside it, or a published size), OWNER/NAME[@REVISION] on the Hugging Face hub,");
        output.WriteLine("  such as facebook/pixio-vith16, or random:PRESET[@SEED] for random weights, with PRESET one of");
        output.WriteLine($"  {string.Join(", ", PixioPresets.Names)}.");
        output.WriteLine();
        output.WriteLine("Exit codes:");
        output.WriteLine($"  {ExitCodes.Help}.");
        return result;
    }
}
