using System.Text.Json;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using PixioCuda.Tests;
using PixioCuda.Tests.Cli;
using Xunit;

namespace PixioCuda.Cuda.Tests.Cli;

// Alone: it counts what the driver has handed out.
[Collection(nameof(EmulatorAlone))]
public sealed class ProfileCommandTests
{
    private static readonly string Model = TestData.Path("tiny");

    [Theory]
    [InlineData("bf16")]
    [InlineData("fp32")]
    public void Every_launch_has_a_time_and_the_trace_has_them_end_to_end(string precision)
    {
        Emulator.Require();
        string folder = Directory.CreateTempSubdirectory("pixio-profile-").FullName, trace = Path.Combine(folder, "trace.json");
        try
        {
            PixioRun run = PixioRun.Of(
                "profile", "--model", Model, "--batch", "3", "--runs", "2", "--precision", precision, "--trace", trace, "--json", "-q");
            Assert.True(run.ExitCode == 0, run.Error);
            using var document = JsonDocument.Parse(run.Out);
            JsonElement report = document.RootElement;
            Assert.Equal(2, report.GetProperty("runs").GetInt32());
            Assert.True(report.GetProperty("graph_seconds").GetDouble() > 0);
            JsonElement[] launches = [.. report.GetProperty("launches").EnumerateArray()];
            Assert.All(launches, launch => Assert.True(launch.GetProperty("seconds").GetDouble() > 0));
            Assert.Equal(launches.Sum(Seconds), report.GetProperty("sum_seconds").GetDouble(), 1e-12);
            // Products and attention run on tensor cores in half precision, and on none in float32.
            Assert.Equal(precision == "bf16", launches.Any(launch => launch.GetProperty("tensor_cores").GetBoolean()));
            Assert.DoesNotContain(launches, launch => Kernel(launch).StartsWith("layer_norm", StringComparison.Ordinal)
                && launch.GetProperty("tensor_cores").GetBoolean());

            using var traced = JsonDocument.Parse(File.ReadAllText(trace));
            JsonElement[] events = [.. traced.RootElement.GetProperty("traceEvents").EnumerateArray()];
            Assert.Equal(
                launches.Select(launch => launch.GetProperty("output").GetString()), events.Select(e => e.GetProperty("name").GetString()));
            double end = 0;
            for (int i = 0; i < events.Length; i++)
            {
                Assert.Equal(end, events[i].GetProperty("ts").GetDouble(), 1e-6);
                Assert.Equal(1e6 * Seconds(launches[i]), events[i].GetProperty("dur").GetDouble(), 1e-6);
                end += events[i].GetProperty("dur").GetDouble();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static double Seconds(JsonElement launch) => launch.GetProperty("seconds").GetDouble();
    }

    [Fact]
    public void A_plan_names_every_launch_of_every_layer_and_runs_nothing()
    {
        Emulator.RequireEmulation();
        using PixioModel model = PixioModel.Load(Model, new PixioModelOptions { Device = "cuda" });
        EncoderPlan plan = model.Plan(new InputShape(1, model.Config.ImageSize), new EncoderTaps { LastHiddenState = true });
        Emulator.TakeTraffic();
        IReadOnlyList<CudaLaunch> launches = PixioModel.DescribeLaunches(plan);
        Emulator.Traffic traffic = Emulator.TakeTraffic();
        Assert.Equal((0ul, 0ul, 0ul), (traffic.GlobalReadBytes, traffic.GlobalWriteBytes, traffic.TensorFlops));

        PixioModel.Profile(new float[plan.InputLength], plan, 1, TestContext.Current.CancellationToken);
        Assert.True(Emulator.TakeTraffic().TensorFlops > 0, "What runs would have been noticed.");

        // Embeddings, five launches for each layer, the first layer's norm1 and the last one's norm2, the final norm.
        Assert.Equal(4 + (5 * model.Config.HiddenLayers), launches.Count);
        Assert.Equal("patch_embed", launches[0].Entry);
        Assert.Equal("layernorm", launches[^1].Output);
        Assert.All(launches, launch => Assert.True(launch.Grid.Count > 0 && launch.Block.Count is > 0 and <= 1024, $"{launch}"));

        // The products' own arithmetic: qkv, attention's output, fc1 and fc2 of every layer.
        long tokens = model.Config.GridFor(model.Config.ImageSize).Area + model.Config.ClassTokens, d = model.Config.HiddenSize;
        double expected = 2.0 * tokens * d * ((3 * d) + d + (2 * model.Config.MlpSize)) * model.Config.HiddenLayers;
        Assert.Equal(expected, launches.Where(launch => launch.Product is not null).Sum(launch => launch.Work.Flops));
    }

    [Fact]
    public void A_plan_says_why_each_product_has_its_configuration()
    {
        Emulator.RequireEmulation();
        PixioRun run = PixioRun.Of("profile", "--model", Model, "--batch", "3", "--plan", "--json", "-q");
        Assert.True(run.ExitCode == 0, run.Error);
        using var document = JsonDocument.Parse(run.Out);
        JsonElement[] products = [.. document.RootElement.GetProperty("products").EnumerateArray()];
        Assert.NotEmpty(products);
        Assert.All(products, product =>
        {
            JsonElement[] configurations = [.. product.GetProperty("configurations").EnumerateArray()];
            double[] cycles = [.. configurations.Select(config => config.GetProperty("cycles").GetDouble())];
            Assert.True(cycles.Length > 10, "few configurations");
            // The chosen one first: none is expected to take less time, but for what cannot be told apart.
            Assert.Equal(cycles[1..].Order(), cycles[1..]);
            Assert.InRange(cycles[0], cycles.Min(), 1.2 * cycles.Min());
        });
        // What was chosen is what the table has first.
        string[] kernels = [.. document.RootElement.GetProperty("launches").EnumerateArray().Select(Kernel)];
        string[] names = [.. products.Select(product => product.GetProperty("configurations")[0].GetProperty("name").GetString()!)];
        Assert.All(names, name =>
        {
            string[] tile = name.Split('-')[1].Split('x');
            string defines = $"BLOCK_M={tile[0]}, BLOCK_N={tile[1]}, ";
            string entry = name.StartsWith("few-", StringComparison.Ordinal) ? "gemm_few_sm90 " : "gemm_sm90 ";
            Assert.Contains(kernels, kernel => kernel.StartsWith(entry, StringComparison.Ordinal) && kernel.Contains(defines, StringComparison.Ordinal));
        });
        string text = PixioRun.Of("profile", "--model", Model, "--batch", "3", "--plan", "-q").Out;
        Assert.All(names, name => Assert.Contains($" {name} ", text, StringComparison.Ordinal));
    }

    [Fact]
    public void Products_by_cublasLt_have_times_but_no_grid()
    {
        Emulator.RequireEmulation();
        using PixioModel model = PixioModel.Load(Model, new PixioModelOptions { Device = "cuda", Gemm = GemmProvider.CublasLt });
        EncoderPlan plan = model.Plan(new InputShape(1, model.Config.ImageSize), new EncoderTaps { LastHiddenState = true });
        CudaProfile profile = PixioModel.Profile(new float[plan.InputLength], plan, 1, TestContext.Current.CancellationToken);
        CudaLaunch[] products = [.. profile.Launches.Where(launch => launch.Entry == "cublasLt")];
        // qkv, attention's output, fc1, fc2; qkv and fc1 are finished by a kernel of our own.
        Assert.Equal(4 * model.Config.HiddenLayers, products.Length);
        Assert.Equal(2 * model.Config.HiddenLayers, profile.Launches.Count(launch => launch.Entry == "gemm_epilogue"));
        Assert.DoesNotContain(profile.Launches, launch => launch.Entry == "gemm");
        Assert.All(products, launch => Assert.Equal((0L, true), (launch.Grid.Count, launch.Work.Flops > 0)));
        Assert.All(profile.Seconds, seconds => Assert.True(seconds >= 0));
    }

    [Fact]
    public void A_profile_gives_everything_back_and_leaves_the_outputs_of_runs_as_they_were()
    {
        Emulator.RequireEmulation();
        using PixioModel model = PixioModel.Load(Model, new PixioModelOptions { Device = "cuda" });
        EncoderPlan plan = model.Plan(new InputShape(1, model.Config.ImageSize), new EncoderTaps { LastHiddenState = true });
        float[] pixels = [.. Enumerable.Range(0, (int)plan.InputLength).Select(i => MathF.Sin(i))];
        float[] before = new float[plan.OutputLength], after = new float[plan.OutputLength];
        model.Run(pixels, plan, before, TestContext.Current.CancellationToken);
        // The first upload makes the device's staging buffer, which stays.
        PixioModel.Profile(pixels, plan, 1, TestContext.Current.CancellationToken);
        Emulator.LiveHandles live = Emulator.Live();
        PixioModel.Profile(new float[plan.InputLength], plan, 1, TestContext.Current.CancellationToken);
        Assert.Equal(live, Emulator.Live());
        Assert.Throws<OperationCanceledException>(() => PixioModel.Profile(pixels, plan, 1, new CancellationToken(canceled: true)));
        Assert.Equal(live, Emulator.Live());
        model.Run(pixels, plan, after, TestContext.Current.CancellationToken);
        Assert.Equal(before, after);
    }

    [Fact]
    public void The_roofline_of_an_H100_is_that_of_its_data_sheet()
    {
        // H100 SXM: 3.35 TB/s, 989 TFLOP/s dense in bfloat16, 67 in float32.
        GpuDeviceInfo h100 = new()
        {
            Ordinal = 0,
            Name = "NVIDIA H100 80GB HBM3",
            Uuid = "GPU-0",
            ComputeCapability = new(9, 0),
            SmCount = 132,
            L2Bytes = 50 << 20,
            SharedBytesPerBlockOptIn = 227 << 10,
            SharedBytesPerSm = 228 << 10,
            MaxThreadsPerSm = 2048,
            MaxThreadsPerBlock = 1024,
            TotalMemory = 80L << 30,
            ClockKHz = 1_830_000,
            MemoryClockKHz = 2_619_000,
            BusWidthBits = 5120,
        };
        CudaRoofline roofline = CudaRoofline.Of(h100);
        Assert.Equal(3.35e12, roofline.BytesPerSecond, 0.01e12);
        Assert.Equal(989e12, roofline.TensorFlops, 1e12);
        // The sheet's 67 counts on the boost clock of 1.98 GHz.
        Assert.Equal(67e12 * 1.83 / 1.98, roofline.Float32Flops, 0.5e12);

        CudaLaunch bound = new("qkv", "gemm", 1, 1, 0, 0, new KernelWork(0, 0, 989e12, 1), UsesTensorCores: true);
        Assert.Equal(1, roofline.SecondsOf(bound)!.Value, 0.01);
        CudaLaunch copied = bound with { Work = new KernelWork(0, 0, 1, 3_352_000_000_000) };
        Assert.Equal(1, roofline.SecondsOf(copied)!.Value, 0.01);
        Assert.Null(CudaRoofline.Of(h100 with { ComputeCapability = new(12, 0) }).SecondsOf(bound));
    }

    private static string Kernel(JsonElement launch) => launch.GetProperty("kernel").GetString()!;
}
