using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PixioCuda.Weights;

namespace PixioCuda.Bench;

/// <summary>What loading a checkpoint onto the CPU takes, packing included, beside a plain parallel read of the same bytes into fresh memory, by
/// turns, each round in a process of its own, since memory that was freed is not fresh; and the most memory that a process with the loaded model has had, over the weights as they are kept.</summary>
internal static class LoadRate
{
    /// <summary>The first argument of a process that measures once.</summary>
    public const string OnceMode = "load-once";

    /// <summary>The first argument of a process that measures its memory.</summary>
    public const string MemoryMode = "load-memory";

    private const int Rounds = 7;
    private const int PieceByteCount = 1 << 20;

    /// <summary>Measures and prints.</summary>
    /// <param name="preset">The encoder, whose checkpoint is written to a temporary folder first.</param>
    /// <returns>0, or 1 where what was loaded is wrong.</returns>
    public static int Run(string preset)
    {
        string folder = Directory.CreateTempSubdirectory("pixio-load-rate-").FullName;
        try
        {
            SyntheticCheckpoint.Write(folder, preset);
            if (!GiveTheSame($"random:{preset}", folder))
            {
                Console.Error.WriteLine("The loaded checkpoint gives other features than the weights that it was written from: not measured.");
                return 1;
            }

            int threads = Environment.ProcessorCount;
            long byteCount = WeightFiles(folder).Sum(file => new FileInfo(file).Length);
            List<double> plain = [], load = [];
            for (int round = 0; round < Rounds; round++)
            {
                double[] seconds = [.. RunChild(OnceMode, folder, round % 2 == 0 ? "plain-first" : "load-first").Split(' ')
                    .Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
                plain.Add(seconds[0]);
                load.Add(seconds[1]);
                Print($"round {round + 1}: plain read {plain[^1]:F2} s, load {load[^1]:F2} s, ratio {load[^1] / plain[^1]:F2}");
            }

            double[] ratios = [.. load.Zip(plain, (a, b) => a / b).Order()];
            plain.Sort();
            load.Sort();
            Console.WriteLine(Text($"{preset}, {byteCount / 1e9:F2} GB, {threads} threads, median of {Rounds}: plain read {plain[Rounds / 2]:F2} s ")
                + Text($"({byteCount / plain[Rounds / 2] / 1e9:F1} GB/s), load {load[Rounds / 2]:F2} s ({byteCount / load[Rounds / 2] / 1e9:F1} GB/s)"));
            Print($"load over plain read: {ratios[Rounds / 2]:F2} ({ratios[0]:F2} to {ratios[^1]:F2})");
            foreach (DType type in new[] { DType.F32, DType.BF16 })
                Console.WriteLine(RunChild(MemoryMode, folder, $"{type}"));
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Loads a model, once, and prints the most memory that this process has had over the weights.</summary>
    public static int PrintMemory(string folder, DType type)
    {
        using PixioModel model = PixioModel.Load(folder, new PixioModelOptions { Device = "cpu", WeightsInMemory = type });
        string status = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        long peak = 1024 * long.Parse(status.AsSpan("VmHWM:".Length).Trim().TrimEnd(" kB"), CultureInfo.InvariantCulture);
        Console.WriteLine(Text($"weights kept as {type}: {model.WeightByteCount / 1e6:F0} MB; peak memory of a process that loads them: {peak / 1e6:F0} MB, ")
            + Text($"{(double)peak / model.WeightByteCount:F3} times the weights"));
        return 0;
    }

    /// <summary>Reads the files plainly and loads the model, in a process whose memory nobody has used yet; prints the seconds of both.</summary>
    public static int PrintTimes(string folder, bool loadFirst)
    {
        int threads = Environment.ProcessorCount;
        double plain = loadFirst ? 0 : ReadPlainly(WeightFiles(folder), threads);
        long start = Stopwatch.GetTimestamp();
        using (PixioModel.Load(folder, new PixioModelOptions { Device = "cpu", Threads = threads }))
        {
            double load = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (loadFirst)
                plain = ReadPlainly(WeightFiles(folder), threads);
            Print($"{plain:R} {load:R}");
        }

        return 0;
    }

    private static string[] WeightFiles(string folder) => Directory.GetFiles(folder, "*.safetensors");

    private static string RunChild(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [typeof(LoadRate).Assembly.Location, .. arguments]) { RedirectStandardOutput = true };
        using Process child = Process.Start(start)!;
        string output = child.StandardOutput.ReadToEnd().Trim();
        child.WaitForExit();
        return child.ExitCode == 0 ? output : throw new InvalidOperationException($"A process that measures ended with {child.ExitCode}.");
    }

    private static unsafe double ReadPlainly(string[] files, int threads)
    {
        double seconds = 0;
        foreach (string file in files)
        {
            using SafeFileHandle handle = File.OpenHandle(file);
            long length = RandomAccess.GetLength(handle), position = 0;
            byte* memory = (byte*)NativeMemory.Alloc((nuint)length);
            try
            {
                long start = Stopwatch.GetTimestamp();
                Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ =>
                {
                    while (Interlocked.Add(ref position, PieceByteCount) - PieceByteCount is long first && first < length)
                    {
                        Span<byte> left = new(memory + first, (int)Math.Min(PieceByteCount, length - first));
                        for (int count; !left.IsEmpty; left = left[count..], first += count)
                        {
                            count = RandomAccess.Read(handle, left, first);
                            if (count == 0)
                                throw new EndOfStreamException($"'{file}' became shorter.");
                        }
                    }
                });
                seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
            finally
            {
                NativeMemory.Free(memory);
            }
        }

        return seconds;
    }

    private static bool GiveTheSame(string one, string other)
    {
        float[] first = Features(one);
        return first.All(float.IsFinite) && first.AsSpan().SequenceEqual(Features(other));

        static float[] Features(string name)
        {
            using PixioModel model = PixioModel.Load(name, new PixioModelOptions { Device = "cpu" });
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(1, model.Config.ImageSize), new EncoderTaps { LastHiddenState = true });
            float[] pixels = new float[model.Config.Channels * model.Config.ImageSize.Area];
            Random random = new(1);
            foreach (ref float pixel in pixels.AsSpan())
                pixel = (random.NextSingle() * 4) - 2;
            model.Run(pixels, outputs);
            return outputs.Values.ToArray();
        }
    }

    private static void Print(FormattableString text) => Console.WriteLine(Text(text));

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
