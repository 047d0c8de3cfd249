using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using PixioCuda.Verification;
using PixioCuda.Weights;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Batches that do not fit into a device's memory, and values that are not finite.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaMemoryTests
{
    private const int Batch = 11;

    private static readonly EncoderTaps Taps = new() { PoolerOutput = true, LastHiddenState = true };

    [Fact]
    public void Too_little_memory_says_what_is_needed_what_is_free_and_what_fits()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load(split: false);
        EncoderOutputs all = model.CreateOutputs(new InputShape(Batch, 64), Taps);
        float[] pixels = Pixels(all.Plan);
        WithFree(model, all.Plan.ArenaByteCount / 2, () =>
        {
            DeviceMemoryException exception = Assert.Throws<DeviceMemoryException>(() => model.Run(pixels, all));
            Assert.Equal(all.Plan.ArenaByteCount + (all.Plan.InputLength * sizeof(float)), exception.NeededByteCount);
            Assert.InRange(exception.FreeByteCount, all.Plan.ArenaByteCount / 3, all.Plan.ArenaByteCount / 2);
            Assert.InRange(exception.LargestBatch, 2, Batch / 2);
            Assert.Contains($"{exception.NeededByteCount:N0} bytes are needed and {exception.FreeByteCount:N0} are free", exception.Message, StringComparison.Ordinal);
            Assert.Contains($"The largest batch of such pictures that fits is {exception.LargestBatch}.", exception.Message, StringComparison.Ordinal);

            // So it is: one more does not.
            EncoderOutputs tooMany = model.CreateOutputs(new InputShape(exception.LargestBatch + 1, 64), Taps);
            EncoderOutputs fitting = model.CreateOutputs(new InputShape(exception.LargestBatch, 64), Taps);
            Assert.Throws<DeviceMemoryException>(() => model.Run(pixels.AsSpan(0, (int)tooMany.Plan.InputLength), tooMany));
            model.Run(pixels.AsSpan(0, (int)fitting.Plan.InputLength), fitting);
        });

        // A model that holds no memory of earlier runs, which would be let go first.
        using PixioModel other = Load(split: false);
        EncoderOutputs none = other.CreateOutputs(new InputShape(Batch, 64), Taps);
        WithFree(other, 4096, () =>
        {
            DeviceMemoryException exception = Assert.Throws<DeviceMemoryException>(() => other.Run(pixels, none));
            Assert.Equal(0, exception.LargestBatch);
            Assert.Contains("Not even one such picture fits", exception.Message, StringComparison.Ordinal);
        });
        model.Run(pixels, all);
    }

    [Theory]
    [InlineData(PixelFormat.F32)]
    [InlineData(PixelFormat.U8)]
    public void Batches_that_do_not_fit_are_split_into_the_same_bits(PixelFormat format)
    {
        Emulator.RequireEmulation();
        using PixioModel reference = Load(split: true), model = Load(split: true);
        InputShape shape = new(Batch, 64) { Pixels = format };
        EncoderOutputs whole = reference.CreateOutputs(shape, Taps), parts = model.CreateOutputs(shape, Taps);
        float[] pixels = Pixels(whole.Plan);
        byte[] bytes = Array.ConvertAll(pixels, value => (byte)(128 + (100 * value)));
        Run(reference, whole);
        Assert.Equal(Batch, whole.Plan.PartBatch);
        using DeviceTensor<float> devicePixels = model.CreateDeviceTensor<float>(pixels.Length);
        using DeviceTensor<byte> deviceBytes = model.CreateDeviceTensor<byte>(pixels.Length);
        using DeviceOutputs deviceOutputs = model.CreateDeviceOutputs(shape, Taps);
        devicePixels.CopyFrom(pixels);
        deviceBytes.CopyFrom(bytes);
        WithFree(model, whole.Plan.ArenaByteCount / 2, () =>
        {
            Run(model, parts);
            Assert.InRange(parts.Plan.PartBatch, 1, Batch / 2);
            Assert.Equal(whole.Values, parts.Values);
            parts.Values.Clear();
            Run(model, parts);
            Assert.Equal(whole.Values, parts.Values);

            if (format == PixelFormat.U8)
                model.Run(deviceBytes, deviceOutputs);
            else
                model.Run(devicePixels, deviceOutputs);
            foreach (EncoderOutputInfo output in whole.Plan.Outputs)
            {
                float[] values = new float[output.Length];
                deviceOutputs[output.Name].CopyTo(values);
                Assert.Equal(whole[output.Name].ToArray(), values);
            }
        });
        Assert.Equal("", Emulator.TakeViolations());

        void Run(PixioModel to, EncoderOutputs outputs)
        {
            if (format == PixelFormat.U8)
                to.Run(bytes, outputs);
            else
                to.Run(pixels, outputs);
        }
    }

    [Fact]
    public void Where_not_one_picture_fits_splitting_does_not_help()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load(split: true);
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(Batch, 64), Taps);
        WithFree(model, 4096, () => Assert.Equal(0, Assert.Throws<DeviceMemoryException>(() => model.Run(Pixels(outputs.Plan), outputs)).LargestBatch));
    }

    [Fact]
    public void A_model_that_does_not_fit_is_refused_and_leaves_nothing()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        ulong memory = Emulator.SetMemoryLimit(0, 100_000);
        try
        {
            PixioException exception = Assert.Throws<PixioException>(() => Load(split: true));
            Assert.Contains("free are 100,000 of 100,000", exception.Message, StringComparison.Ordinal);
        }
        finally
        {
            Emulator.SetMemoryLimit(0, memory);
        }

        Assert.Equal(none, Emulator.Live());
    }

    [Fact]
    public void Overflow_in_float16_is_found_in_its_block()
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        using ITensorSource stored = folder.OpenWeights();
        using ITensorSource loud = new LoudProjection(stored);
        using PixioModel model = PixioModel.Load(
            new OpenedModel(folder.Config, loud, ProcessorConfigPath: null),
            new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.FP16, CheckFinite = true });
        InputShape shape = new(2, 64);
        EncoderOutputs outputs = model.CreateOutputs(shape, Taps);
        using DeviceOutputs deviceOutputs = model.CreateDeviceOutputs(shape, Taps);
        using DeviceTensor<float> devicePixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        devicePixels.CopyFrom(folder.PixelValues("square").Values);
        foreach (PixioException exception in new[]
        {
            Assert.Throws<PixioException>(() => model.Run(folder.PixelValues("square").Values, outputs)),
            Assert.Throws<PixioException>(() => model.Run(devicePixels, deviceOutputs)),
        })
        {
            Assert.Contains("in block 1 (hidden_states.2)", exception.Message, StringComparison.Ordinal);
            Assert.Contains("use bf16 or fp32", exception.Message, StringComparison.Ordinal);
        }
    }

    private static PixioModel Load(bool split) => GoldenModels.Load(
        "tiny", new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.FP32, CudaSessions = 1, SplitBatches = split });

    private static float[] Pixels(EncoderPlan plan) => [.. Enumerable.Range(0, (int)plan.InputLength).Select(i => MathF.Sin(0.1f * i))];

    /// <summary>Does something while so many bytes of the device's memory are free.</summary>
    private static void WithFree(PixioModel model, long byteCount, Action action)
    {
        using GpuDevice device = GpuDevice.Open(model.CudaDevice!.Ordinal);
        GpuMemoryInfo info = device.MemoryInfo;
        ulong memory = Emulator.SetMemoryLimit(0, (ulong)(info.Total - info.Free + byteCount));
        try
        {
            action();
        }
        finally
        {
            Emulator.SetMemoryLimit(0, memory);
        }
    }

    /// <summary>Block 1's first MLP layer, so large that float16 cannot hold what comes out.</summary>
    private sealed class LoudProjection(ITensorSource source) : MappedWeights(source)
    {
        public override string Description => "loud";

        protected override void Map(TensorInfo tensor, long firstElement, Span<float> values)
        {
            if (!tensor.Name.Contains("layer.1.mlp.fc1.weight", StringComparison.Ordinal) && !tensor.Name.Contains("layers.1.mlp.fc1.weight", StringComparison.Ordinal))
                return;
            foreach (ref float value in values)
                value *= 1e6f;
        }
    }
}
