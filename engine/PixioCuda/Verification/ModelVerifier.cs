using PixioCuda.Hub;
using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>
/// Shows that a model is right, as far as that can be shown here: its files are what their hashes say, its weights are finite, the device
/// computes on every layer what the CPU's narrowest kernels do on one thread, and, where there is something to compare with, what PyTorch
/// does. Models are loaded one after another and their outputs kept in files, so that memory holds one model's weights.
/// </summary>
/// <remarks>
/// How far apart two float32 computations may be is measured on the model itself and not guessed: the weights are moved by one unit in
/// the last place at random (up, down or not at all), and the distance that this makes on a layer, times sqrt(K) / 2, is that layer's
/// bound. K is the longest sum of the encoder. Added up in order, K terms are rounded K times on the way, which errs by sqrt(K / 2)
/// roundings of a term; such a move is sqrt(8) roundings; twice the resulting sqrt(K) / 4 is allowed. A model that amplifies rounding has
/// wide bounds by this, one that does not has narrow ones.
/// </remarks>
public static class ModelVerifier
{
    private const double RoundingUnit = 1.0 / (1 << 23);

    // The share of each step in the whole, about as long as each takes.
    private static readonly (string Step, double End)[] Steps =
    [
        ("hashing files", 0.05), ("reading weights", 0.15), ("running the reference", 0.45), ("running the device", 0.58),
        ("measuring rounding", 0.72), ("measuring bfloat16 weights", 0.86), ("measuring float16 weights", 1),
    ];

    /// <summary>Verifies a model.</summary>
    /// <param name="model">As for
    /// <see cref="PixioModel.Load(string, PixioModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>.</param>
    /// <param name="options">What to verify it with; null for noise on the default device.</param>
    /// <param name="progress">Told each step, and how far the whole is.</param>
    /// <param name="cancellationToken">Stops; temporary files are removed.</param>
    /// <exception cref="ModelFormatException">There is no such model, it cannot be used, or the file to compare with does not fit
    /// it.</exception>
    /// <exception cref="HubException">The model is on the hub and cannot be had.</exception>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    /// <exception cref="IOException">The file to compare with cannot be read, or there is no room for temporary files.</exception>
    public static VerificationReport Verify(
        string model, VerificationOptions? options = null, IProgress<VerificationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new VerificationOptions();
        if (options is { Against: not null, Picture: not null })
            throw new ArgumentException("The file to compare with holds its own input: give it or a picture, not both.", nameof(options));
        if (options is { HoldsPublishedValues: true, Picture: null })
            throw new ArgumentException("The published values are those of the COCO image 000000039769: give it.", nameof(options));
        if (options.Tolerance is double tolerance && !(tolerance > 0))
            throw new ArgumentException("The tolerance must be a number above 0.", nameof(options));
        DeviceChoice.Of(options.Model);

        // Found once, so that every step sees the same files.
        if (PixioHub.IsHubModel(model))
            model = PixioHub.DownloadAsync(model, options.Model.Hub, cancellationToken).GetAwaiter().GetResult();
        using OpenedModel opened = ModelReference.Open(model, options.Model.Hub, cancellationToken);
        EncoderWeights.Bind(opened.Source, opened.Config);
        if (options.Against is not null && !File.Exists(options.Against))
            throw new ModelFormatException($"There is no file '{options.Against}' to compare the model with.");
        using SafetensorsFile? against = options.Against is null ? null : SafetensorsFile.Open(options.Against);
        string folder = Directory.CreateTempSubdirectory("pixio-verify-").FullName;
        try
        {
            return new Verification(model, opened, options, against, folder, progress, cancellationToken).Run();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>One verification under way.</summary>
    private sealed class Verification(
        string model, OpenedModel opened, VerificationOptions options, SafetensorsFile? against, string folder,
        IProgress<VerificationProgress>? progress, CancellationToken cancellationToken)
    {
        // Other kernels than those that are verified, whatever these are, and no threads.
        private readonly PixioModelOptions _reference = options.Model with { Device = "cpu", Precision = null, WeightsInMemory = null, VectorBits = 128, Threads = 1 };

        private readonly List<string> _findings = [];
        private readonly List<string> _notes = [];
        private int _step = -1;

        public VerificationReport Run()
        {
            Begin();
            long fileBytes = Directory.Exists(model) ? Directory.EnumerateFiles(model).Sum(path => new FileInfo(path).Length) : 0;
            IReadOnlyList<FileHash> files = SnapshotFiles.Check(model, Counted(fileBytes), cancellationToken);
            Begin();
            IReadOnlyList<TensorStatistics> tensors = TensorStatistics.OfAll(
                opened.Source, Math.Max(1, options.Model.Threads ?? Environment.ProcessorCount),
                Counted(opened.Source.Tensors.Values.Sum(tensor => tensor.ElementCount)), cancellationToken);
            VerificationFindings.OfFiles(files, _findings);
            VerificationFindings.OfTensors(tensors, _findings);

            VerificationReport report = new()
            {
                Weights = opened.Source.Description,
                IsRandom = opened.Source.IsRandom,
                Device = "",
                Reference = "",
                Input = "",
                Shape = default,
                Files = files,
                Tensors = tensors,
                Outputs = [],
                IsBatchInvariant = true,
                Findings = _findings,
                Notes = _notes,
            };
            if (tensors.All(tensor => tensor.NonFiniteCount == 0))
                return RunModels(report);
            _notes.Add("The model was not run, because its weights are not finite.");
            return report;
        }

        private VerificationReport RunModels(VerificationReport report)
        {
            Begin();
            VerificationInput input;
            using (PixioModel narrow = PixioModel.Load(opened, _reference))
            {
                input = against is not null ? VerificationInput.FileOf(against, opened.Config)
                    : options.Picture is not null ? VerificationInput.Picture(narrow, options.Picture, options.PictureName ?? "picture")
                    : VerificationInput.Noise(opened.Config);
                report = report with { Reference = narrow.Device, Input = input.Name, Shape = input.Shape, Recipe = input.Recipe };
                Spool(narrow, input, "reference");
            }

            Begin();
            using (PixioModel device = PixioModel.Load(opened, options.Model))
            {
                Spool(device, input, "device");
                report = report with { Device = device.Device, IsBatchInvariant = input.IsBatchInvariant(device, cancellationToken) };
            }

            RunChanged(new PerturbedWeights(opened.Source), input, "rounding");
            RoundedWeights bfloat16 = new(opened.Source, DType.BF16), float16 = new(opened.Source, DType.F16);
            RunChanged(bfloat16, input, "bfloat16");
            RunChanged(float16, input, "float16");
            foreach ((RoundedWeights weights, string type) in new[] { (bfloat16, "bfloat16"), (float16, "float16") })
            {
                if (weights.OverflowCount > 0)
                    _notes.Add($"{weights.OverflowCount} weights are too large for {type}: this model cannot be run with such weights.");
            }

            report = Compare(report);
            VerificationFindings.OfOutputs(report, options.Tolerance, _findings);
            return report;
        }

        private VerificationReport Compare(VerificationReport report)
        {
            using SafetensorsFile reference = Open("reference"), device = Open("device"), rounding = Open("rounding"),
                bfloat16 = Open("bfloat16"), float16 = Open("float16");
            PixioConfig config = opened.Config;
            long tokens = config.GridFor(report.Shape.Size).Area + config.ClassTokens;
            double longestSum = Math.Max(Math.Max(config.MlpSize, config.PatchElements), tokens);
            IReadOnlyList<string> names = OutputSpool.NamesOf(config);
            if (against is not null)
                CheckAgainst(against, names);
            List<OutputVerification> outputs = [];
            foreach (string name in names)
            {
                double bound = OutputComparer.Compare(rounding, device, name).RelativeL2 * Math.Sqrt(longestSum) / 2;
                outputs.Add(new OutputVerification(
                    name, OutputComparer.Compare(device, reference, name), Math.Max(bound, RoundingUnit),
                    OutputComparer.Compare(bfloat16, device, name), OutputComparer.Compare(float16, device, name),
                    against?.Tensors.ContainsKey(name) == true ? OutputComparer.Compare(device, against, name) : null));
            }

            return report with
            {
                Outputs = outputs,
                PublishedDistance = options.HoldsPublishedValues ? PublishedDistance(device) : null,
            };
        }

        private void CheckAgainst(SafetensorsFile file, IReadOnlyList<string> names)
        {
            if (!names.Any(file.Tensors.ContainsKey))
            {
                throw new ModelFormatException(
                    $"'{file.Path}' holds none of the outputs that are compared: hidden_states.0 to "
                    + $"{OutputSpool.HiddenState(opened.Config.HiddenLayers)}, {OutputSpool.LastHiddenState}, {OutputSpool.PoolerOutput}.");
            }

            string[] ignored = [.. file.Tensors.Keys.Concat(file.UnsupportedTensors.Keys)
                .Where(name => name != VerificationInput.PixelValues && !names.Contains(name)).Order(StringComparer.Ordinal)];
            if (ignored.Length > 0)
                _notes.Add($"Not compared with '{file.Path}': {MessageText.List([.. ignored.Select(MessageText.Quote)], most: 4)}.");
        }

        private static double PublishedDistance(SafetensorsFile device)
        {
            TensorInfo info = device.Tensors[OutputSpool.LastHiddenState];
            long width = info.Shape[^1];
            if (info.Shape[1] < PublishedValues.FirstToken + 3 || width < 3)
                return double.PositiveInfinity;
            return PublishedValues.Distance(token =>
            {
                float[] row = new float[3];
                device.ReadFloats(info, token * width, row);
                return row;
            });
        }

        private void RunChanged(MappedWeights weights, VerificationInput input, string name)
        {
            Begin();
            using PixioModel changed = PixioModel.Load(opened with { Source = weights }, options.Model);
            Spool(changed, input, name);
        }

        private void Spool(PixioModel run, VerificationInput input, string name) =>
            OutputSpool.Write(run, input.Shape, input.Pixels, FileOf(name), cancellationToken);

        private SafetensorsFile Open(string name) => SafetensorsFile.Open(FileOf(name));

        private string FileOf(string name) => Path.Combine(folder, $"{name}.safetensors");

        private void Begin()
        {
            _step++;
            Report(0);
        }

        private void Report(double share)
        {
            double begin = _step == 0 ? 0 : Steps[_step - 1].End;
            progress?.Report(new VerificationProgress(Steps[_step].Step, begin + (share * (Steps[_step].End - begin))));
        }

        private Action<long> Counted(long total)
        {
            long done = 0;
            return count => Report(Math.Min(1, (double)Interlocked.Add(ref done, count) / Math.Max(1, total)));
        }
    }
}
