using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Input and outputs that stay in device memory, and the order between runs and a host's own work on them.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class DeviceTensorTests
{
    private const ulong Seeds = 8;

    private static readonly InputShape Two = new(2, 64);

    private static readonly EncoderTaps Taps = new() { PoolerOutput = true, HiddenStates = [1] };

    private static float[] Pixels => Goldens.Folder("tiny").PixelValues("square").Values;

    [Fact]
    public void Outputs_on_the_device_have_the_bits_of_those_on_the_host()
    {
        Emulator.Require();
        using PixioModel model = Load();
        EncoderOutputs expected = model.CreateOutputs(Two, Taps);
        model.Run(Pixels, expected);
        using DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps);
        for (int time = 0; time < 2; time++)
        {
            model.Run(Pixels, outputs);
            foreach (EncoderOutputInfo output in outputs.Plan.Outputs)
            {
                DeviceTensor<float> tensor = outputs[output.Name];
                Assert.Equal(output.Shape, tensor.Shape);
                Assert.Equal("cuda:0", tensor.Device);
                Assert.NotEqual(0, tensor.Address);
                Assert.Equal(expected[output.Name].ToArray(), ToHost(tensor));
            }
        }

        Assert.Contains("pooler_output", Assert.Throws<ArgumentException>(() => outputs["pooled"]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pixels_on_the_device_give_the_bits_of_those_on_the_host()
    {
        Emulator.Require();
        using PixioModel model = Load();
        InputShape bytesShape = Two with { Pixels = PixelFormat.U8 };
        byte[] bytes = Bytes(2 * 64 * 64 * 3);
        float[] floatsExpected = Run(model, Pixels, Two), bytesExpected = Run(model, bytes, bytesShape);

        using DeviceTensor<float> floats = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        using DeviceTensor<byte> deviceBytes = model.CreateDeviceTensor<byte>(2, 64, 64, 3);
        using DeviceTensor<byte> borrowed = model.BorrowDeviceMemory<byte>(deviceBytes.Address, 2, 64, 64, 3);
        floats.CopyFrom(Pixels);
        deviceBytes.CopyFrom(bytes);
        Assert.Equal(bytes, ToHost(deviceBytes));
        Assert.Equal(floatsExpected, Run(model, floats, Two));
        Assert.Equal(bytesExpected, Run(model, deviceBytes, bytesShape));
        Assert.Equal(bytesExpected, Run(model, borrowed, bytesShape));

        using DeviceOutputs outputs = model.CreateDeviceOutputs(bytesShape, Taps);
        model.Run(deviceBytes, outputs);
        Assert.Equal(bytesExpected[..(int)outputs["pooler_output"].Length], ToHost(outputs["pooler_output"]));
    }

    [Fact]
    public void A_stream_of_the_hosts_waits_for_a_run_and_a_run_for_it()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        float[] swapped = [.. Pixels[(Pixels.Length / 2)..], .. Pixels[..(Pixels.Length / 2)]];
        float[][] expected = [Run(model, Pixels, Two), Run(model, swapped, Two)];
        using GpuDevice host = GpuDevice.Open();
        using GpuStream stream = host.CreateStream();
        nint handle = stream.Handle.DangerousGetHandle();
        using DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        using DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps);
        using PinnedMemory<float> upload = host.AllocatePinned<float>(pixels.Length);
        using PinnedMemory<float> download = host.AllocatePinned<float>(outputs.Plan.OutputLength);
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            (seed % 2 == 0 ? Pixels : swapped).CopyTo(upload.Span);
            // The copy in must not overtake the last run, nor the run the copy; then the same for what comes out.
            pixels.MakeStreamWait(handle);
            host.CopyAsync(stream, upload, 0, new DevicePointer<float>((ulong)pixels.Address), pixels.Length);
            pixels.WaitForStream(handle);
            model.Run(pixels, outputs);
            foreach (EncoderOutputInfo output in outputs.Plan.Outputs)
            {
                DeviceTensor<float> tensor = outputs[output.Name];
                tensor.MakeStreamWait(handle);
                host.CopyAsync(stream, new DevicePointer<float>((ulong)tensor.Address), download, output.Offset, output.Length);
                tensor.WaitForStream(handle);
            }

            // A second run into the same outputs stays behind the host's copies.
            model.Run(seed % 2 == 0 ? swapped : Pixels, outputs);
            stream.Synchronize();
            Assert.Equal(expected[seed % 2], download.Span);
        }

        outputs["pooler_output"].Synchronize();
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void A_run_within_the_device_is_one_launch_and_allocates_nothing()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        model.Warmup(Two, Taps, onDevice: true, TestContext.Current.CancellationToken);
        using DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        using DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps);
        pixels.CopyFrom(Pixels);
        SteadyState.AllocatesNothing(runs: 2, () => model.Run(pixels, outputs));

        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        model.Run(pixels, outputs);
        // The launch; a copy for the input and each output; two waits and a record for each side; cuCtxSetCurrent before each.
        Assert.InRange(Emulator.CallCount, 2u, 2u * (1 + 1 + 2 + 6));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Behind_a_warmup_the_first_run_only_launches(bool onDevice)
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        model.Warmup(Two, Taps, onDevice, TestContext.Current.CancellationToken);
        using DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        using DeviceOutputs deviceOutputs = model.CreateDeviceOutputs(Two, Taps);
        EncoderOutputs outputs = model.CreateOutputs(Two, Taps);
        pixels.CopyFrom(Pixels);
        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        if (onDevice)
            model.Run(pixels, deviceOutputs);
        else
            model.Run(Pixels, outputs);
        Assert.InRange(Emulator.CallCount, 2u, onDevice ? 20u : 4u);
    }

    [Fact]
    public void A_warmup_that_is_cancelled_or_refused_leaves_the_model_usable()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        using (PixioModel model = Load())
        {
            using CancellationTokenSource cancelled = new();
            cancelled.Cancel();
            Assert.Throws<OperationCanceledException>(() => model.Warmup(Two, Taps, cancellationToken: cancelled.Token));
            ulong memory = Emulator.SetMemoryLimit(0, (ulong)model.WeightByteCount);
            try
            {
                Assert.Contains("too little memory", Assert.Throws<DeviceMemoryException>(
                    () => model.Warmup(Two, Taps, cancellationToken: TestContext.Current.CancellationToken)).Message, StringComparison.Ordinal);
            }
            finally
            {
                Emulator.SetMemoryLimit(0, memory);
            }

            model.Warmup(Two, Taps, cancellationToken: TestContext.Current.CancellationToken);
            Assert.NotEmpty(Run(model, Pixels, Two));
        }

        Assert.Equal(none, Emulator.Live());
    }

    [Fact]
    public void Tensors_may_be_disposed_of_before_their_run_has_ended_and_after_their_model()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        for (ulong seed = 0; seed < Seeds; seed++)
        {
            Emulator.SetSeed(seed);
            PixioModel model = Load();
            DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
            DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps), later = model.CreateDeviceOutputs(Two, Taps);
            pixels.CopyFrom(Pixels);
            model.Run(pixels, outputs);
            pixels.Dispose();
            outputs.Dispose();
            outputs.Dispose();
            Assert.Throws<ObjectDisposedException>(() => pixels.Address);
            Assert.Throws<ObjectDisposedException>(() => model.Run(pixels, later));
            Assert.Throws<ObjectDisposedException>(() => model.Run(Pixels, outputs));
            model.Run(Pixels, later);
            model.Dispose();
            Assert.Throws<ObjectDisposedException>(() => later["pooler_output"].Synchronize());
            Assert.Throws<ObjectDisposedException>(() => model.CreateDeviceTensor<float>(1));
            later.Dispose();
        }

        Assert.Equal(none, Emulator.Live());
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void A_run_into_device_memory_that_the_driver_refused_can_be_tried_again()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        float[] expected;
        ulong calls;
        using (PixioModel model = Load())
        using (DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64))
        using (DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps))
        {
            pixels.CopyFrom(Pixels);
            expected = Run(model, Pixels, Two);
            Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
            model.Run(pixels, outputs);
            calls = Emulator.CallCount;
        }

        for (ulong n = 1; n <= calls; n++)
        {
            using PixioModel model = Load();
            using DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
            using DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps);
            pixels.CopyFrom(Pixels);
            Emulator.FailAt(n, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
            Exception? exception = Record.Exception(() => model.Run(pixels, outputs));
            string function = Emulator.FailedFunction;
            Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
            Assert.True(exception is null or PixioException, $"call {n}, {function}: {exception}");
            model.Run(pixels, outputs);
            Assert.Equal(expected[..ToHost(outputs["pooler_output"]).Length], ToHost(outputs["pooler_output"]));
        }

        Assert.Equal(none, Emulator.Live());
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_a_sentence()
    {
        Emulator.Require();
        using PixioModel model = Load(), cpu = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cpu" });
        using DeviceTensor<float> pixels = model.CreateDeviceTensor<float>(2, 3, 64, 64);
        Assert.Contains("this one is on cpu", Assert.Throws<PixioException>(() => cpu.CreateDeviceOutputs(Two, Taps)).Message, StringComparison.Ordinal);
        Assert.Contains("this one is on cpu", Assert.Throws<PixioException>(() => cpu.CreateDeviceTensor<float>(1)).Message, StringComparison.Ordinal);
        Assert.Contains("this one is on cpu", Assert.Throws<PixioException>(() => cpu.BorrowDeviceMemory<float>(1, 1)).Message, StringComparison.Ordinal);
        Assert.Contains("Copy them to the host first",
            Assert.Throws<ArgumentException>(() => cpu.Run(pixels, cpu.CreateOutputs(Two, Taps))).Message, StringComparison.Ordinal);
        Assert.Contains("takes bytes, but float32 pixel values were given",
            Assert.Throws<ArgumentException>(() => model.Run(pixels, model.CreateOutputs(Two with { Pixels = PixelFormat.U8 }, Taps))).Message,
            StringComparison.Ordinal);
        Assert.Contains("takes 12288 pixel values, but 24576 were given",
            Assert.Throws<ArgumentException>(() => model.Run(pixels, model.CreateOutputs(new InputShape(1, 64), Taps))).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => model.CreateDeviceTensor<double>(1));
        Assert.Throws<ArgumentException>(() => model.CreateDeviceTensor<float>(2, 0));
        Assert.Throws<ArgumentException>(() => model.BorrowDeviceMemory<float>(0, 1));
        Assert.Throws<ArgumentException>(() => pixels.CopyTo(new float[3]));
        Assert.Throws<ArgumentException>(() => pixels.CopyFrom(new float[3]));
        using DeviceOutputs outputs = model.CreateDeviceOutputs(Two, Taps);
        using PixioModel other = Load();
        Assert.Contains("another model", Assert.Throws<ArgumentException>(() => other.Run(pixels, outputs)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pixels_on_another_device_are_refused()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load(), other = GoldenModels.Load("tiny", new PixioModelOptions { Device = "cuda:3" });
        using DeviceTensor<float> pixels = other.CreateDeviceTensor<float>(2, 3, 64, 64);
        Assert.Equal("cuda:3", pixels.Device);
        Assert.Contains("cuda:3", Assert.Throws<ArgumentException>(() => model.Run(pixels, model.CreateOutputs(Two, Taps))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PixioPrecision.FP32)]
    [InlineData(PixioPrecision.BF16)]
    [InlineData(PixioPrecision.FP16)]
    public void Bytes_are_as_accurate_as_the_pixel_values_that_they_stand_for(PixioPrecision precision)
    {
        Emulator.Require();
        GoldenFolder folder = Goldens.Folder("tiny");
        InputShape shape = Two with { Pixels = PixelFormat.U8 };
        EncoderTaps taps = new() { LastHiddenState = true, PoolerOutput = true };
        byte[] bytes = Bytes(2 * 64 * 64 * 3);
        using PixioModel cuda = GoldenModels.Load(folder, new PixioModelOptions { Device = "cuda", Precision = precision });
        using PixioModel cpu = GoldenModels.Load(folder, new PixioModelOptions { Device = "cpu" });
        EncoderOutputs actual = cuda.CreateOutputs(shape, taps), expected = cpu.CreateOutputs(shape, taps);
        cuda.Run(bytes, actual);
        cpu.Run(bytes, expected);
        foreach ((string name, double factor) in new[] { ("last_hidden_state", 1.1), ("pooler_output", 2) })
        {
            // What float32 pixels are held to (CudaModelTests): here the CPU's results stand for the truth.
            double bound = precision switch
            {
                PixioPrecision.FP32 => 2 * Accuracy.Float32Default,
                PixioPrecision.BF16 => factor * folder.BFloat16Error("square", name)!.Value,
                _ => factor * folder.Float16Error("square", name)!.Value,
            };
            Accuracy.Within(bound, actual[name].Span, expected[name].Span, name);
        }
    }

    private static PixioModel Load()
        => GoldenModels.Load("tiny", new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.FP32 });

    private static byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(5).NextBytes(bytes);
        return bytes;
    }

    private static float[] Run(PixioModel model, EncoderInput pixels, InputShape shape)
    {
        EncoderOutputs outputs = model.CreateOutputs(shape, Taps);
        model.Run(pixels, outputs);
        return outputs.Values.ToArray();
    }

    private static T[] ToHost<T>(DeviceTensor<T> tensor)
        where T : unmanaged
    {
        T[] values = new T[tensor.Length];
        tensor.CopyTo(values);
        return values;
    }
}
