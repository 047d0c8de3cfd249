using PixioCuda.Tests.Model;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>One model, several sessions and more callers.</summary>
[Collection(nameof(EmulatorAlone))]
public sealed class CudaConcurrencyTests
{
    private const int Callers = 4, Rounds = 3;

    private static readonly (InputShape Shape, EncoderTaps Taps)[] Work =
    [
        (new InputShape(2, 64), new EncoderTaps { PoolerOutput = true }),
        (new InputShape(1, 64), new EncoderTaps { LastHiddenState = true, HiddenStates = [1] }),
        (new InputShape(1, new ImageSize(48, 96)) { Pixels = PixelFormat.U8 }, new EncoderTaps { ClsConcat = true }),
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Callers_that_share_sessions_get_the_bits_that_each_would_get_alone(int sessions)
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load(sessions);
        float[][] expected = [.. Enumerable.Range(0, Callers * Work.Length).Select(number => Run(model, number))];
        using Barrier start = new(Callers);
        InParallel(caller =>
        {
            Emulator.SetSeed((ulong)caller);
            start.SignalAndWait();
            for (int round = 0; round < Rounds * Work.Length; round++)
            {
                int number = (caller * Work.Length) + ((round + caller) % Work.Length);
                Assert.Equal(expected[number], Run(model, number));
            }
        });
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void Runs_on_the_device_interleave_with_those_for_the_host()
    {
        Emulator.RequireEmulation();
        using PixioModel model = Load(sessions: 2);
        float[][] expected = [.. Enumerable.Range(0, Callers).Select(number => Run(model, number * Work.Length))];
        InParallel(caller =>
        {
            Emulator.SetSeed((ulong)caller);
            (InputShape shape, EncoderTaps taps) = Work[0];
            using DeviceOutputs outputs = model.CreateDeviceOutputs(shape, taps);
            float[] actual = new float[outputs.Plan.OutputLength];
            for (int round = 0; round < Rounds; round++)
            {
                model.Run(Floats(caller * Work.Length, outputs.Plan), outputs);
                if (round == 1)
                    Assert.Equal(expected[caller], Run(model, caller * Work.Length));
                outputs["pooler_output"].CopyTo(actual);
                Assert.Equal(expected[caller], actual);
            }
        });
        Assert.Equal("", Emulator.TakeViolations());
    }

    [Fact]
    public void Disposing_waits_for_the_runs_in_flight_and_turns_the_others_away()
    {
        Emulator.RequireEmulation();
        Emulator.LiveHandles none = Emulator.Live();
        for (int time = 0; time < 4; time++)
        {
            PixioModel model = Load(sessions: 2);
            float[][] expected = [.. Enumerable.Range(0, Callers).Select(caller => Run(model, caller * Work.Length))];
            DeviceOutputs unfinished = model.CreateDeviceOutputs(Work[0].Shape, Work[0].Taps);
            using CountdownEvent running = new(Callers);
            int turnedAway = 0;
            Thread disposer = new(() =>
            {
                running.Wait();
                model.Run(Floats(0, unfinished.Plan), unfinished);
                model.Dispose();
                model.Dispose();
            })
            { IsBackground = true };
            disposer.Start();
            InParallel(caller =>
            {
                Emulator.SetSeed((ulong)((time * Callers) + caller));
                try
                {
                    for (int round = 0; ; round++)
                    {
                        Assert.Equal(expected[caller], Run(model, caller * Work.Length));
                        if (round == 0)
                            running.Signal();
                    }
                }
                catch (ObjectDisposedException exception)
                {
                    Assert.Contains(nameof(PixioModel), exception.Message, StringComparison.Ordinal);
                    Interlocked.Increment(ref turnedAway);
                }
            });
            disposer.Join();
            Assert.Equal(Callers, turnedAway);
            unfinished.Dispose();
            Assert.True(none == Emulator.Live(), $"There are left {Emulator.Live()}.");
        }

        Assert.Equal("", Emulator.TakeViolations());
    }

    private static PixioModel Load(int sessions)
        => GoldenModels.Load("tiny", new PixioModelOptions { Device = "cuda", Precision = PixioPrecision.FP32, CudaSessions = sessions });

    /// <summary>A piece of work, of which another number is other pixels or another shape.</summary>
    private static float[] Run(PixioModel model, int number)
    {
        (InputShape shape, EncoderTaps taps) = Work[number % Work.Length];
        EncoderOutputs outputs = model.CreateOutputs(shape, taps);
        if (shape.Pixels == PixelFormat.U8)
            model.Run(Array.ConvertAll(Floats(number, outputs.Plan), value => (byte)(128 + (40 * value))), outputs);
        else
            model.Run(Floats(number, outputs.Plan), outputs);
        return outputs.Values.ToArray();
    }

    private static float[] Floats(int number, EncoderPlan plan)
        => [.. Enumerable.Range(0, (int)plan.InputLength).Select(i => MathF.Sin(i + (1.7f * number)))];

    /// <summary>Runs all callers at once, each on a thread of its own; the first that fails fails the test.</summary>
    private static void InParallel(Action<int> action)
    {
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, Callers).Select(caller => new Thread(() =>
        {
            try
            {
                action(caller);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref failure, exception, null);
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            Assert.True(thread.Join(TimeSpan.FromMinutes(2)), "A caller does not come back.");
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }
}
