using PixioCuda.Interop;
using PixioCuda.Tests;
using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>What runs of a model ask of the driver, and what is left when it refuses.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaSessionTests
{
    // cuCtxSetCurrent before each, and the launch and the wait themselves.
    private const ulong SteadyCalls = 4;

    private static readonly EncoderTaps Small = new() { PoolerOutput = true };

    private static readonly EncoderTaps Large = new() { LastHiddenState = true, HiddenStates = [0, 1, 2], PoolerOutput = true };

    [Fact]
    public void A_run_of_a_known_shape_is_one_launch_and_allocates_nothing()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        float[] pixels = Goldens.Folder("tiny").PixelValues("square").Values;
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), Small);
        SteadyState.AllocatesNothing(runs: 2, () => model.Run(pixels, outputs));

        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        model.Run(pixels, outputs);
        Assert.InRange(Emulator.CallCount, 2u, SteadyCalls);
    }

    [Fact]
    public void Shapes_that_take_turns_keep_their_graphs()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load();
        float[] pixels = Goldens.Folder("tiny").PixelValues("square").Values;
        // One needs the larger arena and input, the other the larger output.
        EncoderOutputs two = model.CreateOutputs(new InputShape(2, 64), Small), one = model.CreateOutputs(new InputShape(1, 64), Large);
        for (int time = 0; time < 2; time++)
        {
            model.Run(pixels, two);
            model.Run(pixels.AsSpan(0, pixels.Length / 2), one);
        }

        Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
        model.Run(pixels, two);
        model.Run(pixels.AsSpan(0, pixels.Length / 2), one);
        Assert.InRange(Emulator.CallCount, 4u, 2 * SteadyCalls);
    }

    [Fact]
    public void A_run_that_the_driver_refused_can_be_tried_again()
    {
        Emulator.RequireEmulation();
        float[] pixels = Goldens.Folder("tiny").PixelValues("square").Values;
        float[] half = pixels[..(pixels.Length / 2)];
        float[] expected;
        ulong calls;
        using (PixioModel model = Load())
        {
            model.Run(half, model.CreateOutputs(new InputShape(1, 64), Small));
            EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), Small);
            Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
            model.Run(pixels, outputs);
            calls = Emulator.CallCount;
            expected = outputs["pooler_output"].ToArray();
        }

        Assert.InRange(calls, 20u, 1000u);
        Emulator.LiveHandles none = Emulator.Live();
        HashSet<string> refused = [];
        for (ulong n = 1; n <= calls; n++)
        {
            using (PixioModel model = Load())
            {
                // A session with buffers that are too small for what fails.
                model.Run(half, model.CreateOutputs(new InputShape(1, 64), Small));
                EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, 64), Small);
                Emulator.FailAt(n, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
                Exception? exception = Record.Exception(() => model.Run(pixels, outputs));
                string function = Emulator.FailedFunction;
                Emulator.FailAt(0, CUresult.CUDA_SUCCESS);
                if (exception is not null)
                    refused.Add(function);
                // What fails on the way to a release is no failure of the run: then its numbers are right.
                if (exception is null)
                    Assert.Equal(expected, outputs["pooler_output"].ToArray());
                else
                    Assert.True(exception is PixioException, $"call {n}, {function}: {exception}");
                model.Run(pixels, outputs);
                Assert.Equal(expected, outputs["pooler_output"].ToArray());
            }

            Assert.True(none == Emulator.Live(), $"After call {n} there are left {Emulator.Live()}.");
        }

        _ = Emulator.TakeViolations();
        Assert.Superset(new HashSet<string>(StringComparer.Ordinal)
        {
            "cuMemAlloc_v2", "cuMemHostAlloc", "cuStreamBeginCapture_v2", "cuLaunchKernelEx", "cuStreamEndCapture",
            "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuStreamSynchronize",
        }, refused);
    }

    private static PixioModel Load()
        => GoldenModels.Load(Goldens.Folder("tiny"), new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.FP32 });
}
