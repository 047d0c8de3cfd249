using Xunit;

namespace PixioCuda.Tests.Model;

/// <summary>What a caller relies on beyond the numbers: same bits, many threads, clear errors, no allocation.</summary>
public class PixioModelTests
{
    private static readonly EncoderTaps AllTaps = new()
    {
        LastHiddenState = true,
        PoolerOutput = true,
        ClsRawMean = true,
        ClsConcat = true,
        Dense2d = true,
        HiddenStates = [0, 2, 3],
        Attentions = [new(1), new(2, [3, 1])],
        FeatureMaps = [new(0, ApplyLayerNorm: false), new(2), new(3, Reshape: false)],
    };

    [Fact]
    public void The_batch_does_not_change_a_bit()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        const int batch = 7;
        GoldenTensor many = Pixels(batch, 48, 96);
        EncoderOutputs together = GoldenModels.Run(model, many, AllTaps);
        int length = many.Values.Length / batch;
        for (int picture = 0; picture < batch; picture++)
        {
            EncoderOutputs alone = GoldenModels.Run(model, new GoldenTensor([1, 3, 48, 96], many.Values[(picture * length)..((picture + 1) * length)]), AllTaps);
            foreach (EncoderOutputInfo output in alone.Plan.Outputs)
            {
                ReadOnlySpan<float> part = together[output.Name].Span.Slice(picture * (int)output.Length, (int)output.Length);
                Assert.True(part.SequenceEqual(alone[output.Name].Span), $"{output.Name} of picture {picture} depends on its batch");
            }
        }
    }

    [Fact]
    public void The_number_of_threads_does_not_change_a_bit()
    {
        GoldenTensor pixels = Pixels(3, 64, 64);
        float[]? first = null;
        foreach (int threads in new[] { 1, 2, 3, 8 })
        {
            using PixioModel model = GoldenModels.Load("tiny", new PixioModelOptions { Threads = threads });
            EncoderOutputs outputs = GoldenModels.Run(model, pixels, AllTaps);
            first ??= outputs.Values.ToArray();
            Assert.True(first.AsSpan().SequenceEqual(outputs.Values), $"{threads} threads give other bits");
        }
    }

    [Fact]
    public void What_else_is_asked_for_does_not_change_a_bit()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        GoldenTensor pixels = Pixels(2, 64, 64);
        EncoderOutputs everything = GoldenModels.Run(model, pixels, AllTaps);
        EncoderTaps[] alone =
        [
            new() { LastHiddenState = true },
            new() { PoolerOutput = true },
            new() { ClsRawMean = true },
            new() { ClsConcat = true },
            new() { Dense2d = true },
            new() { HiddenStates = [2] },
            new() { HiddenStates = [3] },
            new() { Attentions = [new(1)] },
            new() { Attentions = [new(2, [3, 1])] },
            new() { FeatureMaps = [new(2)] },
            new() { FeatureMaps = [new(3, Reshape: false)] },
            new() { PoolerOutput = true, ClsConcat = true, ClsRawMean = true },
        ];
        foreach (EncoderTaps taps in alone)
        {
            EncoderOutputs outputs = GoldenModels.Run(model, pixels, taps);
            foreach (EncoderOutputInfo output in outputs.Plan.Outputs)
                Assert.True(outputs[output.Name].Span.SequenceEqual(everything[output.Name].Span), $"{output.Name} alone has other bits");
        }
    }

    /// <summary>The outputs that are made from others are held against their definitions.</summary>
    [Fact]
    public void Derived_outputs_follow_their_definitions()
    {
        GoldenFolder folder = Goldens.Folder("tiny");
        using PixioModel model = GoldenModels.Load(folder);
        EncoderOutputs outputs = GoldenModels.Run(model, folder.PixelValues("square"), AllTaps);
        GoldenTensor last = folder.Tensor("square", "last_hidden_state"), raw = folder.Tensor("square", "hidden_states.3");
        const int n = 8, patches = 16, d = 64, batch = 2;
        float[] concat = new float[batch * n * d], dense = new float[batch * patches * 2 * d], rawMean = new float[batch * d], map = new float[batch * d * patches];
        for (int b = 0; b < batch; b++)
        {
            for (int i = 0; i < d; i++)
            {
                double mean = 0, unnormed = 0;
                for (int token = 0; token < n; token++)
                {
                    concat[(((b * n) + token) * d) + i] = At(last, b, token, i);
                    mean += At(last, b, token, i) / (double)n;
                    unnormed += At(raw, b, token, i) / (double)n;
                }

                rawMean[(b * d) + i] = (float)unnormed;
                for (int patch = 0; patch < patches; patch++)
                {
                    dense[(((b * patches) + patch) * 2 * d) + i] = At(last, b, n + patch, i);
                    dense[(((b * patches) + patch) * 2 * d) + d + i] = (float)mean;
                    map[(((b * d) + i) * patches) + patch] = At(folder.Tensor("square", "hidden_states.0"), b, n + patch, i);
                }
            }
        }

        Check("cls_concat", concat, [batch, n * d]);
        Check("dense_2d", dense, [batch, patches, 2 * d]);
        Check("cls_raw_mean", rawMean, [batch, d]);
        Check("feature_maps.stem", map, [batch, d, 4, 4]);
        Check("feature_maps.stage3", last.Values, [batch, n + patches, d]);

        static float At(GoldenTensor tensor, int b, int token, int i) => tensor.Values[(((b * tensor.Shape[1]) + token) * d) + i];

        void Check(string name, float[] expected, int[] shape)
        {
            Assert.Equal(shape, outputs.ShapeOf(name));
            Accuracy.Within(Accuracy.Float32Default, outputs[name].Span, expected, name);
        }
    }

    [Fact]
    public void Concurrent_callers_get_the_bits_that_each_would_get_alone()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        (GoldenTensor Pixels, EncoderTaps Taps, float[] Expected)[] jobs = [.. new[] { (1, 64, 64), (3, 32, 128), (2, 160, 144), (1, 16, 16) }
            .SelectMany(size => new[] { AllTaps, new EncoderTaps { PoolerOutput = true } }, (size, taps) =>
            {
                GoldenTensor pixels = Pixels(size.Item1, size.Item2, size.Item3);
                return (pixels, taps, GoldenModels.Run(model, pixels, taps).Values.ToArray());
            })];
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, index =>
        {
            (GoldenTensor pixels, EncoderTaps taps, float[] expected) = jobs[index % jobs.Length];
            Assert.True(GoldenModels.Run(model, pixels, taps).Values.SequenceEqual(expected), $"job {index % jobs.Length} got other bits");
        });
    }

    [Fact]
    public void A_run_with_a_plan_allocates_nothing()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        EncoderPlan plan = model.Plan(new InputShape(2, 64), AllTaps);
        float[] pixels = Pixels(2, 64, 64).Values, outputs = new float[plan.OutputLength];
        SteadyState.AllocatesNothing(runs: 10, () => model.Run(pixels, plan, outputs, CancellationToken.None));
    }

    [Fact]
    public void A_wrong_size_names_the_nearest_valid_ones()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        ArgumentException exception = Assert.Throws<ArgumentException>(() => model.Plan(new InputShape(1, new ImageSize(70, 33)), AllTaps));
        Assert.Contains("64x32", exception.Message, StringComparison.Ordinal);
        Assert.Contains("80x48", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_lengths_and_foreign_plans_are_refused()
    {
        using PixioModel model = GoldenModels.Load("tiny"), other = GoldenModels.Load("tiny");
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), new EncoderTaps { PoolerOutput = true });
        float[] pixels = new float[3 * 64 * 64];
        Assert.Contains("12288", Assert.Throws<ArgumentException>(() => model.Run(pixels.AsSpan(1), outputs)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => model.Run(pixels, outputs.Plan, new float[63]));
        Assert.Contains("another model", Assert.Throws<ArgumentException>(() => other.Run(pixels, outputs)).Message, StringComparison.Ordinal);
        Assert.Contains("pooler_output", Assert.Throws<ArgumentException>(() => outputs["pooled"]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Taps_that_do_not_exist_are_refused()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        Refused(new EncoderTaps(), "Nothing is asked for");
        Refused(new EncoderTaps { HiddenStates = [4] }, "hidden_states.4");
        Refused(new EncoderTaps { HiddenStates = [1, 1] }, "twice");
        Refused(new EncoderTaps { Attentions = [new(3)] }, "attentions.3");
        Refused(new EncoderTaps { Attentions = [new(0, [4])] }, "Head 4");
        Refused(new EncoderTaps { Attentions = [new(0, [])] }, "empty list of heads");
        Refused(new EncoderTaps { FeatureMaps = [new(-1)] }, "Stage -1");

        void Refused(EncoderTaps taps, string reason) =>
            Assert.Contains(reason, Assert.Throws<ArgumentException>(() => model.Plan(new InputShape(1, 64), taps)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cancelled_run_throws_and_the_model_lives_on()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, 64), AllTaps);
        float[] pixels = Pixels(1, 64, 64).Values;
        Assert.Throws<OperationCanceledException>(() => model.Run(pixels, outputs, new CancellationToken(canceled: true)));
        model.Run(pixels, outputs);
        Assert.All(outputs.Values.ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void Disposing_waits_for_runs_in_flight_and_later_runs_are_refused()
    {
        PixioModel model = GoldenModels.Load("tiny");
        EncoderOutputs[] outputs = [.. Enumerable.Range(0, 4).Select(_ => model.CreateOutputs(new InputShape(4, 160), AllTaps))];
        float[] pixels = Pixels(4, 160, 160).Values;
        Task[] runs = [.. outputs.Select(memory => Task.Run(() =>
        {
            while (true)
                model.Run(pixels, memory);
        }))];
        Thread.Sleep(100);
        model.Dispose();
        foreach (Task run in runs)
            Assert.IsType<ObjectDisposedException>(Assert.Throws<AggregateException>(() => run.Wait(TimeSpan.FromMinutes(2))).InnerException);
        model.Dispose();
    }

    [Fact]
    public void Not_a_number_stays_in_its_picture()
    {
        using PixioModel model = GoldenModels.Load("tiny");
        GoldenTensor pixels = Pixels(2, 64, 64);
        float[] clean = GoldenModels.Run(model, pixels, new EncoderTaps { PoolerOutput = true }).Values.ToArray();
        pixels.Values[5] = float.NaN;
        float[] dirty = GoldenModels.Run(model, pixels, new EncoderTaps { PoolerOutput = true }).Values.ToArray();
        Assert.All(dirty.Take(64), value => Assert.True(float.IsNaN(value)));
        Assert.Equal(clean.Skip(64), dirty.Skip(64));
        pixels.Values[5] = 0;
        Assert.True(GoldenModels.Run(model, Pixels(2, 64, 64), new EncoderTaps { PoolerOutput = true }).Values.SequenceEqual(clean));
    }

    [Fact]
    public void The_backbone_gives_the_stages_that_were_asked_for()
    {
        GoldenFolder folder = Goldens.Folder("tiny");
        GoldenTensor pixels = folder.PixelValues("wide");
        InputShape shape = new(1, new ImageSize(48, 96));
        using PixioModel model = GoldenModels.Load(folder);
        using PixioBackbone backbone = new(model, new BackboneOptions { OutFeatures = ["stem", "stage2"], ApplyLayerNorm = false, ReshapeHiddenStates = false });
        IReadOnlyList<FeatureMap> maps = backbone.Run(pixels.Values, shape);
        Assert.Equal(["stem", "stage2"], maps.Select(map => map.Stage));
        Accuracy.Within(Accuracy.Float32Default, maps[1].Values.Span, folder.Tensor("wide", "hidden_states.2").Values, "stage2");

        using PixioBackbone byDefault = new(model);
        FeatureMap last = Assert.Single(byDefault.Run(pixels.Values, shape));
        Assert.Equal("stage3", last.Stage);
        Assert.Equal([1, 64, 3, 6], last.Shape);

        Assert.Throws<ArgumentException>(() => new PixioBackbone(model, new BackboneOptions { OutFeatures = ["stage4"] }));
        Assert.Throws<ArgumentException>(() => new PixioBackbone(model, new BackboneOptions { OutFeatures = ["stage2", "stage1"] }));
        Assert.Throws<ArgumentException>(() => new PixioBackbone(model, new BackboneOptions { OutIndices = [4] }));
        using PixioBackbone fromTheEnd = new(model, new BackboneOptions { OutIndices = [-2, -1] });
        Assert.Equal(["stage2", "stage3"], fromTheEnd.Stages);
    }

    private static GoldenTensor Pixels(int batch, int height, int width) =>
        new([batch, 3, height, width], Noise.Normal($"pixels{batch}x{height}x{width}", batch * 3 * height * width));
}
