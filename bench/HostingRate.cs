using System.Diagnostics;
using System.Globalization;
using PixioCuda.Imaging;
using PixioCuda.Weights;

namespace PixioCuda.Bench;

/// <summary>What 64 concurrent callers with single pictures get out of a model, beside one caller with batches of 64: by turns, on a model
/// that is small enough for what lies around a run to show. Results are checked before anything is measured.</summary>
internal static class HostingRate
{
    private const int CallerCount = 64;
    private const int PicturesEach = 2;
    private const int Rounds = 7;

    /// <summary>Measures and prints.</summary>
    /// <param name="device">"cpu" or "cuda".</param>
    /// <returns>0, or 1 where a result was wrong.</returns>
    public static async Task<int> RunAsync(string device)
    {
        // ViT-Ti: 3 GFLOP a picture.
        PixioConfig config = new() { HiddenSize = 192, HiddenLayers = 12, AttentionHeads = 3, OutIndices = [12] };
        using OpenedModel opened = new(config, SyntheticWeights.Create("random:vitti16", config, 0), ProcessorConfigPath: null);
        using PixioModel model = PixioModel.Load(opened, new PixioModelOptions
        {
            Device = device,
            Batching = new BatchingOptions { MaxBatch = CallerCount },
        });
        Console.WriteLine($"{model.Device}; {CallerCount} callers of {PicturesEach} pictures each, {Rounds} rounds by turns");

        ImageSize size = config.ImageSize;
        EncoderPlan plan = model.Plan(new InputShape(CallerCount, size), EncoderTaps.For(EmbeddingKind.Pooler));
        float[] pixels = new float[plan.InputLength], outputs = new float[plan.OutputLength];
        Random random = new(1);
        for (int i = 0; i < pixels.Length; i++)
            pixels[i] = (random.NextSingle() * 4) - 2;
        ReadOnlyMemory<float>[] each = [.. Enumerable.Range(0, CallerCount).Select(index =>
            new ReadOnlyMemory<float>(pixels, index * (pixels.Length / CallerCount), pixels.Length / CallerCount))];
        RgbImage[] images = [.. Enumerable.Range(0, CallerCount).Select(_ => Picture(random, size))];

        bool isRight = await MeasureAsync(
            "pixel values", () => RunBatch(model, pixels, plan, outputs), index => model.EmbedAsync(each[index], size));
        isRight &= await MeasureAsync(
            "decoded pictures", () => model.Run(images, EncoderTaps.For(EmbeddingKind.Pooler)).Values.ToArray(), index => model.EmbedAsync(images[index]));
        return isRight ? 0 : 1;
    }

    private static float[] RunBatch(PixioModel model, float[] pixels, EncoderPlan plan, float[] outputs)
    {
        model.Run(pixels, plan, outputs);
        return outputs;
    }

    private static async Task<bool> MeasureAsync(string what, Func<float[]> runBatch, Func<int, Task<float[]>> embed)
    {
        float[] together = [.. runBatch()];
        float[][] singly = await Task.WhenAll(Enumerable.Range(0, CallerCount).Select(embed));
        if (!singly.SelectMany(embedding => embedding).SequenceEqual(together) || !together.All(float.IsFinite))
        {
            Console.Error.WriteLine($"{what}: concurrent callers get other bits than a batch: not measured.");
            return false;
        }

        List<double> batch = [], callers = [];
        for (int round = 0; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int repeat = 0; repeat < PicturesEach; repeat++)
                runBatch();
            batch.Add(CallerCount * PicturesEach / Stopwatch.GetElapsedTime(start).TotalSeconds);
            start = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, CallerCount).Select(index => Task.Run(async () =>
            {
                for (int repeat = 0; repeat < PicturesEach; repeat++)
                    await embed(index);
            })));
            callers.Add(CallerCount * PicturesEach / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        double[] ratios = [.. callers.Zip(batch, (a, b) => a / b).Order()];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}: batches of {CallerCount} {Median(batch):F1} pictures/s, {CallerCount} callers {Median(callers):F1} pictures/s, ")
            + string.Create(CultureInfo.InvariantCulture, $"ratio {ratios[Rounds / 2]:P0} ({ratios[0]:P0} to {ratios[^1]:P0})"));
        return true;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static RgbImage Picture(Random random, ImageSize size)
    {
        byte[] pixels = new byte[3 * size.Area];
        random.NextBytes(pixels);
        return new RgbImage(size.Width, size.Height, pixels);
    }
}
