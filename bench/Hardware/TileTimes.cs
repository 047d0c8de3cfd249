using System.Globalization;
using PixioCuda.Bench.Suites.Cuda;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Bench.Hardware;

/// <summary>Every configuration of an encoder's matrix products on a device of compute capability 9.0: what each takes beside what the
/// table of waves expects, so that its constants can be set by what was measured. All that the default mode can choose must give the same
/// bits, which is checked first; those whose blocks share K may give others, and it is said which do.</summary>
internal static class TileTimes
{
    private const int Launches = 20, Rounds = 7;

    // There are hundreds for few rows: the best by the table. Beside those that share K, the best of the others.
    private const int FewRows = 40, WarpgroupsOfFast = 4;

    /// <summary>Prints a table for a preset at some batches, 256 x 256 pictures in bf16, the fastest first.</summary>
    /// <param name="preset">The encoder.</param>
    /// <param name="batches">The batches.</param>
    /// <param name="fast">Whether blocks may share K, which gives bits that depend on the batch.</param>
    /// <returns>The exit code: 1 where a configuration gives other bits, 2 for an unknown preset, 3 without such a device.</returns>
    public static int Run(string preset, IReadOnlyList<int> batches, bool fast)
    {
        EncoderDimensions? model = EncoderDimensions.Presets.FirstOrDefault(known => known.Name == preset);
        if (model is null)
        {
            string presets = string.Join(", ", EncoderDimensions.Presets.Select(known => known.Name));
            Console.Error.WriteLine($"There is no preset '{preset}': choose {presets}.");
            return 2;
        }

        GpuDeviceInfo? info = CudaDriver.Probe().DeviceCount == 0 ? null
            : GpuDevice.List().FirstOrDefault(device => device.ComputeCapability == new ComputeCapability(9, 0));
        if (info is null)
        {
            Console.Error.WriteLine("The tiles are those of a CUDA device of compute capability 9.0, and there is none here.");
            return 3;
        }

        using GpuDevice device = GpuDevice.Open(info.Ordinal);
        using GpuStream stream = device.CreateStream();
        (int width, int hidden, int tokens) = BenchSize.IsSmoke
            ? (BenchSize.Hidden, BenchSize.Mlp, BenchSize.Tokens) : (model.HiddenSize, model.MlpSize, model.TokensOf(256, 256));
        bool same = true;
        Console.WriteLine("| batch | product | configuration | us | TFLOP/s | expected us | bits |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (int batch in batches)
        {
            const ElementType Half = ElementType.BF16, Stream = ElementType.F32;
            int rows = batch * tokens;
            // As most blocks have them.
            bool isFolded = GemmFoldings.Allows(width, hidden, Half, DeviceLimits.Of(info));
            GemmFolding applies = isFolded ? GemmFolding.Applies : GemmFolding.None;
            GemmFolding prepares = isFolded ? GemmFolding.Prepares : GemmFolding.None;
            GemmShape qkv = new(rows, 3 * width, width, Half, Half, GemmEpilogue.Bias) { Folding = applies };
            GemmShape proj = new(rows, width, width, Half, Stream, GemmEpilogue.BiasResidual) { Folding = prepares };
            same &= Measure(device, stream, fast, batch, "qkv", qkv);
            same &= Measure(device, stream, fast, batch, "proj", proj);
            same &= Measure(device, stream, fast, batch, "fc1", qkv with { N = hidden, Epilogue = GemmEpilogue.BiasGelu });
            same &= Measure(device, stream, fast, batch, "fc2", proj with { K = hidden });
        }

        return same ? 0 : 1;
    }

    private static bool Measure(GpuDevice device, GpuStream stream, bool fast, int batch, string name, GemmShape shape)
    {
        using DeviceMemory<ushort> a = Values(device, shape.M * shape.K, 1), w = Values(device, shape.N * shape.K, 2);
        using DeviceMemory<float> bias = device.Allocate<float>(shape.N);
        using DeviceMemory<float> residual = device.Allocate<float>(shape.HasResidual ? (long)shape.M * shape.N : 1);
        using DeviceMemory<byte> c = device.Allocate<byte>((long)shape.M * shape.N * shape.Output.ByteCount());
        device.Upload(bias, (ReadOnlySpan<float>)new float[shape.N]);
        device.Upload(residual, (ReadOnlySpan<float>)new float[residual.Count]);
        bool leaves = shape.Folding == GemmFolding.Prepares;
        using DeviceMemory<float> moments = device.Allocate<float>(
            Math.Max(1, GemmFoldingOperands.MomentBytes(shape.M, leaves ? shape.N : shape.K) / sizeof(float)));
        using DeviceMemory<ushort> copy = device.Allocate<ushort>(leaves ? (long)shape.M * shape.N : 1);
        // Rows of mean 0 and variance 1, and no sums of W's rows to take away.
        float[] standard = new float[moments.Count];
        for (int i = 1; i < standard.Length; i += 2)
            standard[i] = GemmFoldingOperands.MomentColumns;
        device.Upload(moments, (ReadOnlySpan<float>)standard);
        GemmFoldingOperands folding = new(moments.Pointer.As<byte>(), bias.Pointer, copy.Pointer.As<byte>(), 1e-6f);
        var limits = DeviceLimits.Of(device);
        // The first is what the others' bits are held against.
        (int warpgroups, int fewRows) = (BenchSize.IsSmoke, fast) switch
        {
            (true, _) => (1, 1),
            (false, false) => (int.MaxValue, FewRows),
            (false, true) => (WarpgroupsOfFast, FewRows),
        };
        GemmEstimate[] estimates =
        [
            .. WarpgroupGemmTiles.Candidates(shape, limits).OrderBy(estimate => estimate.Cycles).Take(warpgroups),
            .. FewRowsGemmTiles.Candidates(shape, limits, splitsK: fast).OrderBy(estimate => estimate.Cycles).Take(fewRows),
        ];
        // On all cores: compiling takes longer than measuring.
        Parallel.ForEach(estimates, estimate => device.LoadKernel(estimate.Config.Source));
        GemmConfig choice = GemmKernel.SelectConfig(shape, limits, fast);
        List<(GemmEstimate Estimate, double Seconds, bool IsSame)> measured = [];
        byte[]? first = null;
        foreach (GemmEstimate estimate in estimates)
        {
            GemmKernel kernel = new(device, shape, estimate.Config);
            Launch();
            stream.Synchronize();
            byte[] bits = new byte[c.Count];
            device.Download(c, bits.AsSpan());
            first ??= bits;
            bool isSame = first.AsSpan().SequenceEqual(bits);
            if (!isSame && estimate.Config is not FewRowsGemmConfig { Splits: > 1 })
            {
                Console.Error.WriteLine($"{name} at batch {batch}: {estimate.Config.Name} gives other bits than the rest.");
                return false;
            }

            measured.Add((estimate, Median(device, stream, Launch), isSame));

            void Launch()
                => kernel.Launch(stream, a.Pointer.As<byte>(), w.Pointer.As<byte>(), bias.Pointer,
                    shape.HasResidual ? residual.Pointer.As<byte>() : default, c.Pointer, folding);
        }

        foreach ((GemmEstimate estimate, double seconds, bool isSame) in measured.OrderBy(pair => pair.Seconds))
        {
            string chosen = estimate.Config == choice ? " (chosen)" : "";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {batch} | {name} | {estimate.Config.Name}{chosen} | {1e6 * seconds:F1} | {1e-12 * shape.Flops / seconds:F0} | "
                + $"{1e3 * estimate.Cycles / device.Info.ClockKHz:F1} | {(isSame ? "same" : "others")} |"));
        }

        return true;
    }

    private static double Median(GpuDevice device, GpuStream stream, Action launch)
    {
        using GpuEvent start = device.CreateEvent(timing: true), end = device.CreateEvent(timing: true);
        int launches = BenchSize.IsSmoke ? 1 : Launches;
        double[] seconds = new double[BenchSize.IsSmoke ? 1 : Rounds];
        for (int round = 0; round < seconds.Length; round++)
        {
            stream.Record(start);
            for (int i = 0; i < launches; i++)
                launch();
            stream.Record(end);
            stream.Synchronize();
            seconds[round] = 1e-3 * end.ElapsedMilliseconds(start) / launches;
        }

        Array.Sort(seconds);
        return seconds[seconds.Length / 2];
    }

    /// <summary>Numbers within [-1, 1] that bfloat16 holds: zeros would take less power, and run faster.</summary>
    private static DeviceMemory<ushort> Values(GpuDevice device, int count, int seed)
    {
        Random random = new(seed);
        ushort[] values = new ushort[count];
        for (int i = 0; i < count; i++)
            values[i] = (ushort)(BitConverter.SingleToUInt32Bits(random.Next(-64, 65) / 64f) >> 16);
        DeviceMemory<ushort> memory = device.Allocate<ushort>(count);
        device.Upload(memory, (ReadOnlySpan<ushort>)values);
        return memory;
    }
}
