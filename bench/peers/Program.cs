using System.Globalization;
using PixioCuda;
using PixioCuda.Peers;
using PixioCuda.Peers.Onnx;
using PixioCuda.Weights;

// The forward pass of one model by PixioCuda and by ONNX Runtime, on the same pixels, by turns, after both were found to agree.
try
{
    return Run(PeerOptions.Parse(args));
}
catch (Exception exception) when (exception is ArgumentException or PixioException)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

static int Run(PeerOptions options)
{
    // 84 units of float32's last place: both engines sum in float32, and weights rounded to half precision would be off by 50 times that.
    const double MostDistance = 1e-5;

    string folder = Directory.CreateTempSubdirectory("pixio-peers-").FullName;
    List<IEngine> engines = [];
    try
    {
        PixioModel model = PixioModel.Load(options.Model, new PixioModelOptions { Device = "cpu", Threads = options.Threads });
        EncoderPlan plan = model.Plan(new InputShape(options.Batch, model.Config.ImageSize), new EncoderTaps { LastHiddenState = true });
        float[] pixels = new float[plan.InputLength];
        Random random = new(1);
        foreach (ref float pixel in pixels.AsSpan())
            pixel = (random.NextSingle() * 4) - 2;
        engines.Add(new PixioEngine(model, plan, pixels));

        using OpenedModel opened = ModelReference.Open(options.Model);
        PixioConfig config = opened.Config;
        EncoderWeights weights = EncoderWeights.Bind(opened.Source, config);
        foreach ((OnnxDialect dialect, string path) in OnnxEncoder.Save(folder, config, weights, options.Batch))
        {
            engines.Add(new OnnxRuntimeEngine(
                path, $"ONNX Runtime, {dialect.ToString().ToLowerInvariant()} operators", options.Threads, pixels,
                [options.Batch, config.Channels, config.ImageSize.Height, config.ImageSize.Width], [options.Batch, config.PositionCount, config.HiddenSize]));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{model.Name}, batch {options.Batch}, {config.ImageSize}, {model.Device}; ONNX Runtime {OnnxRuntimeEngine.Version}"));
        foreach (IEngine engine in engines)
            engine.Run();
        foreach (IEngine engine in engines.Skip(1))
        {
            double distance = Comparison.Distance(engine.Output, engines[0].Output);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{engine.Name}: last_hidden_state is {distance:E1} from PixioCuda's (relative L2)"));
            // Not (distance > ...): a NaN is no agreement.
            if (!(distance <= MostDistance))
            {
                Console.Error.WriteLine($"The outputs of PixioCuda and {engine.Name} differ by more than {MostDistance:E0}: nothing is measured.");
                return 1;
            }
        }

        Comparison comparison = new(engines, options, config.FlopsPerImage(config.ImageSize) * options.Batch);
        comparison.Measure();
        comparison.Print();
        return 0;
    }
    finally
    {
        foreach (IEngine engine in engines)
            engine.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
