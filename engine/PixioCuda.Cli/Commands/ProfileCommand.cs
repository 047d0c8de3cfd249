using System.CommandLine;
using PixioCuda.Cli.Options;
using PixioCuda.Cli.Output;
using PixioCuda.Cuda;

namespace PixioCuda.Cli.Commands;

/// <summary><c>pixio profile</c>: what a run launches on a CUDA device, and what each launch takes.</summary>
internal sealed class ProfileCommand
{
    private const string DefaultModel = "random:vitb16";
    private const int DefaultRuns = 10;

    private readonly CommandConsole _console;
    private readonly PixioCommand _command = new(
        "profile", "Says what each kernel of a run on a CUDA device takes, moves and computes, and its share of the device's roofline.")
    {
        Examples =
        [
            ("pixio profile --model random:vith16 --batch 8", "where the time of a batch goes"),
            ("pixio profile --model DIR --trace trace.json --json", "every launch, for scripts and for a viewer of Chrome traces"),
            ("pixio profile --model random:vith16 --batch 64 --plan", "grid, block and shared memory of every launch, without running"),
        ],
    };

    private readonly ModelOptions _model;
    private readonly Option<long?> _batch = OptionFactory.WholeNumber("--batch", "Pictures in a run [default: 1].", 1, 1024);
    private readonly Option<ImageSize?> _size = OptionFactory.Size("--size", "The size of a picture [default: the model's own].");
    private readonly Option<long?> _runs = OptionFactory.WholeNumber(
        "--runs", $"Over how many runs medians are taken [default: {DefaultRuns}].", 1, 10_000);
    private readonly Option<bool> _plan = OptionFactory.Flag("--plan", "Only print the launches; run nothing.");
    private readonly Option<string?> _trace = new("--trace")
    {
        Description = "Also write a Chrome trace (chrome://tracing, ui.perfetto.dev) of one run's median times.",
        HelpName = "FILE.json",
    };

    private readonly Option<bool> _json = OptionFactory.Flag("--json", "Print one JSON document with every launch.");
    private readonly Option<bool> _quiet = Messages.QuietOption();

    private ProfileCommand(CommandConsole console)
    {
        _console = console;
        _model = new ModelOptions(_command, runs: false);
        _command.Add(_batch);
        _command.Add(_size);
        _command.Add(_runs);
        _command.Add(_plan);
        _command.Add(_trace);
        _command.Add(_json);
        _command.Add(_quiet);
    }

    public static Command Create(CommandConsole console, CancellationToken cancellationToken)
    {
        ProfileCommand profile = new(console);
        profile._command.SetAction(parsed => profile.Run(parsed, cancellationToken));
        return profile._command;
    }

    private int Run(ParseResult parsed, CancellationToken cancellationToken)
    {
        Messages messages = new(_console, parsed.GetValue(_quiet));
        bool onlyPlan = parsed.GetValue(_plan);
        string? trace = parsed.GetValue(_trace);
        if (onlyPlan && (trace is not null || parsed.GetValue(_runs) is not null))
            throw new UsageException("--plan runs nothing, so that there is nothing for --trace or --runs; give the one or the others.");
        if (trace is not null)
            OutputFile.CheckPath("--trace", trace, [".json"]);
        PixioModelOptions options = _model.Read(parsed);
        if (options.Device == "cpu")
            throw new UsageException("pixio profile looks at the launches on a CUDA device; 'pixio bench --device cpu' measures the CPU.");
        // The CPU has no launches: where there is no CUDA device, the sentence about that is better than a model loaded in vain.
        if (options.Device == "auto")
            options = options with { Device = "cuda" };

        string name = _model.Name(parsed, DefaultModel);
        using PixioModel model = ModelOptions.Load(name, options, messages, cancellationToken);
        InputShape shape = new((int)(parsed.GetValue(_batch) ?? 1), parsed.GetValue(_size) ?? model.Config.ImageSize);
        EncoderPlan plan = model.Plan(shape, new EncoderTaps { LastHiddenState = true });
        CudaRoofline roofline = CudaRoofline.Of(model.CudaDevice!);
        ProfileReport report = onlyPlan
            ? new(name, model, plan, roofline, PixioModel.DescribeLaunches(plan), null)
            : Measured(name, model, plan, roofline, (int)(parsed.GetValue(_runs) ?? DefaultRuns), cancellationToken);
        if (trace is not null)
            WriteTrace(trace, report);
        if (parsed.GetValue(_json))
            _console.Out.WriteLine(JsonText.Of(report.Write));
        else
            report.Print(_console);
        return ExitCodes.Ok;
    }

    private static ProfileReport Measured(
        string name, PixioModel model, EncoderPlan plan, CudaRoofline roofline, int runs, CancellationToken cancellationToken)
    {
        CudaProfile profile = PixioModel.Profile(BenchCommand.Pixels(plan.InputLength), plan, runs, cancellationToken);
        return new ProfileReport(name, model, plan, roofline, profile.Launches, profile);
    }

    private static void WriteTrace(string path, ProfileReport report)
    {
        using OutputFile file = OutputFile.Create(path);
        file.Content.Write(JsonText.BytesOf(report.WriteTrace).Span);
        file.Commit();
    }
}
