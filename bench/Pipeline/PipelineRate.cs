using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PixioCuda.Imaging;
using PixioCuda.Pipeline;
using PixioCuda.Skia;

namespace PixioCuda.Bench.Pipeline;

/// <summary>What the pipeline reaches beside what its parts reach alone.</summary>
internal static class PipelineRate
{
    private const int Rounds = 5;
    private const int CudaBatch = 32;

    /// <summary>Decode and preprocess 640 x 480 JPEGs on all cores, without an engine.</summary>
    public static int Decode()
    {
        byte[][] jpegs = BenchPictures.Jpegs();
        Console.WriteLine($"{jpegs.Length} JPEGs of 640 x 480, {jpegs.Average(jpeg => jpeg.Length) / 1000:F0} KB each on average, to 256 x 256, {Environment.ProcessorCount} threads");
        (string, IImageDecoder)[] decoders = [("skia", new SkiaImageDecoder()), ("stb", new StbImageDecoder())];
        foreach ((string name, IImageDecoder decoder) in decoders)
        {
            double[] rates = [.. Enumerable.Range(0, Rounds + 1).Select(_ => DecodeRate(decoder, jpegs, 600)).Skip(1)];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {Median(rates):F0} images/s (of {string.Join(", ", rates.Select(rate => $"{rate:F0}"))})"));
        }

        return 0;
    }

    /// <summary>A model's throughput on ready pixels, and that of the pipeline on JPEGs in a tar file, by turns.</summary>
    public static int Engine(string modelName, int pictures)
    {
        byte[][] jpegs = BenchPictures.Jpegs();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("pixio-bench-");
        try
        {
            string tar = Path.Combine(folder.FullName, "pictures.tar");
            BenchPictures.WriteTar(tar, 0, pictures, ".jpg", number => jpegs[number % jpegs.Length]);
            using PixioModel model = PixioModel.Load(modelName, new PixioModelOptions { Decoder = new SkiaImageDecoder() });
            Console.WriteLine($"{model.Name} on {model.Device}; {pictures} pictures");
            EncoderTaps taps = EncoderTaps.For(EmbeddingKind.Pooler);
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, model.Config.ImageSize), taps);
            float[] pixels = new float[outputs.Plan.InputLength];
            model.Preprocess(model.Decode(jpegs[0], "0"), pixels);
            model.Run(pixels, outputs);
            float[] expected = outputs.Values.ToArray();
            List<double> alone = [], together = [];
            PipelineStatistics? last = null;
            for (int round = 0; round < Rounds; round++)
            {
                long began = Stopwatch.GetTimestamp();
                for (int run = 0; run < pictures; run++)
                    model.Run(pixels, outputs);
                alone.Add(pictures / Stopwatch.GetElapsedTime(began).TotalSeconds);
                began = Stopwatch.GetTimestamp();
                last = RunAsync(tar, model, taps, pictures, expected).GetAwaiter().GetResult();
                together.Add(pictures / Stopwatch.GetElapsedTime(began).TotalSeconds);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"ready pixels {Median(alone):F3} images/s, pipeline {Median(together):F3}: {100 * Median(together) / Median(alone):F1}%"));
            foreach (StageShare share in last!.Stages)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  {share.Stage}: {100 * share.Utilisation:F1}% of {share.Workers}"));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>A pipeline on a CUDA device that preprocesses on the CPU, and one that does it on the GPU, by turns: with a decoder on
    /// every core, where the engine should be the limit, and with one decoder, which is the limit itself.</summary>
    public static int Preprocess(string modelName, int pictures, int rounds)
    {
        byte[][] jpegs = BenchPictures.Jpegs();
        using PixioModel model = PixioModel.Load(modelName, new PixioModelOptions { Device = "cuda", Decoder = new SkiaImageDecoder() });
        Console.WriteLine(
            $"{model.Name} on {model.Device}; {pictures} JPEGs of 640 x 480 in batches of {CudaBatch}, {rounds} rounds by turns");
        foreach (int workers in new[] { Environment.ProcessorCount, 1 }.Distinct())
        {
            PicturePipelineOptions options = new()
            {
                Taps = EncoderTaps.For(EmbeddingKind.Pooler),
                BatchSize = CudaBatch,
                DecodeWorkers = workers,
            };
            // One decoder takes about eight times as long as the engine of ViT-H.
            int count = workers == 1 ? Math.Max(pictures / 4, 1) : pictures;
            Dictionary<PreprocessOn, List<double>> rates = new() { [PreprocessOn.Cpu] = [], [PreprocessOn.Gpu] = [] };
            Dictionary<PreprocessOn, PipelineStatistics> last = [];
            // The first round takes the memory and compiles the kernels.
            for (int round = 0; round <= rounds; round++)
            {
                byte[]? expected = null;
                foreach (PreprocessOn place in rates.Keys)
                {
                    (PipelineStatistics statistics, byte[] hash) = FeaturesAsync(jpegs, model, options with { PreprocessOn = place }, count)
                        .GetAwaiter().GetResult();
                    if (expected is not null && !hash.AsSpan().SequenceEqual(expected))
                        throw new InvalidOperationException("The features differ with what preprocesses the pictures: not measured.");
                    expected = hash;
                    last[place] = statistics;
                    if (round > 0)
                        rates[place].Add(count / statistics.Elapsed.TotalSeconds);
                }
            }

            foreach ((PreprocessOn place, PipelineStatistics statistics) in last)
            {
                Console.WriteLine($"  {place}: {string.Join(", ", statistics.Stages.Select(share => string.Create(
                    CultureInfo.InvariantCulture, $"{share.Stage} {100 * share.Utilisation:F1}% of {share.Workers}")))}");
            }

            double cpu = Median(rates[PreprocessOn.Cpu]), gpu = Median(rates[PreprocessOn.Gpu]);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{workers} decoding: preprocessed on the CPU {cpu:F1} images/s, on the GPU {gpu:F1}, ratio {gpu / cpu:F3}; the same bits"));
        }

        return 0;
    }

    /// <summary>Runs pictures through a pipeline; gives a hash of all features.</summary>
    private static async Task<(PipelineStatistics Statistics, byte[] Hash)> FeaturesAsync(
        byte[][] jpegs, PixioModel model, PicturePipelineOptions options, int pictures)
    {
        IEnumerable<PictureEntry> entries = Enumerable.Range(0, pictures).Select(
            number => PictureEntry.FromBytes($"{number}", jpegs[number % jpegs.Length]));
        using PicturePipeline pipeline = PicturePipeline.Start(entries, model, options);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await foreach (PictureResult result in pipeline.ResultsAsync().ConfigureAwait(false))
        {
            if (result.Failure is not null)
                throw new InvalidOperationException($"The result of {result.Entry.Id} is wrong: not measured.", result.Failure);
            hash.AppendData(MemoryMarshal.AsBytes(result.Features[0].Values.Span));
        }

        return (pipeline.Statistics, hash.GetHashAndReset());
    }

    private static async Task<PipelineStatistics> RunAsync(string tar, PixioModel model, EncoderTaps taps, int pictures, float[] expected)
    {
        using PicturePipeline pipeline = PicturePipeline.Start(PictureSource.Of(tar), model, new PicturePipelineOptions { Taps = taps });
        int count = 0;
        await foreach (PictureResult result in pipeline.ResultsAsync().ConfigureAwait(false))
        {
            if (result.Failure is not null || (count == 0 && !result.Features[0].Values.Span.SequenceEqual(expected)))
                throw new InvalidOperationException($"The result of {result.Entry.Id} is wrong: not measured.", result.Failure);
            count++;
        }

        return count == pictures ? pipeline.Statistics : throw new InvalidOperationException($"{count} of {pictures} pictures came.");
    }

    private static double DecodeRate(IImageDecoder decoder, byte[][] jpegs, int pictures)
    {
        ImageProcessor processor = new(ImageRecipe.Hf(256, 256));
        int next = -1;
        long began = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(() =>
        {
            float[] pixels = new float[3 * 256 * 256];
            for (int number; (number = Interlocked.Increment(ref next)) < pictures;)
                processor.Process(decoder.Decode(jpegs[number % jpegs.Length], "picture"), pixels);
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        return pictures / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
