using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using PixioCuda.Cpu;
using PixioCuda.Skia;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Cli;

/// <summary>The built command as a process: what only shows from outside.</summary>
public class PixioProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_picture_on_standard_input_gives_data_on_standard_output_alone()
    {
        using Process process = Start("embed", "-", "--model", CliData.Model);
        await process.StandardInput.BaseStream.WriteAsync(File.ReadAllBytes(CliData.Cat), TestContext.Current.CancellationToken);
        process.StandardInput.Close();
        (int exitCode, string output, string error) = await EndAsync(process);
        Assert.Equal(0, exitCode);
        Assert.Equal(PixioRun.OfInput(File.ReadAllBytes(CliData.Cat), "embed", "-", "--model", CliData.Model).Out, output);
        Assert.DoesNotContain("numbers", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "embed", "--no-such-option")]
    [InlineData(3, "embed", "no-such.png", "--model", "random:vitb16")]
    [InlineData(3, "info", "no-such-model")]
    public async Task Errors_are_one_line_without_a_stack_trace(int expected, params string[] args)
    {
        using Process process = Start(args);
        (int exitCode, string output, string error) = await EndAsync(process);
        Assert.Equal(expected, exitCode);
        Assert.Empty(output);
        Assert.StartsWith("pixio: ", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stack_traces_come_when_asked_for()
    {
        ProcessStartInfo start = StartInfo("info", "no-such-model");
        start.Environment["PIXIO_DEBUG"] = "1";
        using Process process = Process.Start(start)!;
        (int exitCode, _, string error) = await EndAsync(process);
        Assert.Equal(3, exitCode);
        Assert.Contains("   at ", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_the_command_with_130_and_leaves_nothing_behind(string signal)
    {
        if (OperatingSystem.IsWindows())
            Assert.Skip("Windows has no signals to send.");
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using TemporaryFolder folder = new();
        // Two pictures are done when it waits for the third, from a pipe that stays silent.
        using Process process = Start(
            "embed", CliData.Cat, CliData.Rocket, "-", "--model", CliData.Model,
            "--batch", "1", "--hidden-states", "1", "--output", folder.File("out.safetensors"));
        for (int line = 0; line < 2; line++)
            Assert.NotNull(await process.StandardOutput.ReadLineAsync(cancellation).AsTask().WaitAsync(Patience, cancellation));
        Assert.NotEmpty(Directory.GetFileSystemEntries(folder.Root));
        using (var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
            await kill.WaitForExitAsync(cancellation);
        (int exitCode, _, string error) = await EndAsync(process);
        Assert.Equal(130, exitCode);
        Assert.EndsWith("pixio: Interrupted.\n", error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public async Task A_photo_is_embedded_with_random_weights_and_a_warning()
    {
        using Process process = Start("embed", CliData.Cat, "--model", "random:vitb16");
        (int exitCode, string output, string error) = await EndAsync(process);
        Assert.Equal(0, exitCode);
        Assert.Contains("768 numbers", output, StringComparison.Ordinal);
        Assert.Contains("warning: The weights are random (random:vitb16@0)", error, StringComparison.Ordinal);
    }

    /// <summary>On a processor without wider vectors, as far as the runtime can make one of this: the kernels for 256 bits give the bits that
    /// they give beside wider ones, those for 128 bits the same to float32 rounding, since sums over a row then have fewer lanes.</summary>
    [Theory]
    [InlineData("DOTNET_EnableAVX512", "AVX2", 256)]
    [InlineData("DOTNET_EnableAVX2", "SSE", 128)]
    public async Task Narrower_vectors_are_taken_where_there_are_no_wider_ones(string switchedOff, string name, int vectorBits)
    {
        if (vectorBits > CpuTarget.WidestVectorBits || !Sse.IsSupported)
            Assert.Skip($"This processor has no vectors of {vectorBits} bits that {switchedOff} would leave.");
        ProcessStartInfo start = StartInfo("embed", CliData.Cat, CliData.Rocket, "--model", CliData.Model, "--device", "cpu", "--json");
        start.Environment[switchedOff] = "0";
        using Process process = Process.Start(start)!;
        (int exitCode, string output, string error) = await EndAsync(process);
        Assert.Equal(0, exitCode);
        Assert.Contains($"({name}, ", error, StringComparison.Ordinal);
        using PixioModel model = PixioModel.Load(
            CliData.Model, new PixioModelOptions { Device = "cpu", Decoder = new SkiaImageDecoder(), VectorBits = vectorBits });
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        foreach ((string picture, string line) in new[] { CliData.Cat, CliData.Rocket }.Zip(lines))
        {
            using var json = JsonDocument.Parse(line);
            float[] actual = CliData.Floats(json.RootElement.GetProperty("embedding")), expected = model.Embed(picture);
            if (vectorBits == 256)
                Assert.Equal(expected, actual);
            else
                Accuracy.Within(Accuracy.Float32Default, actual, expected, $"{picture} with {switchedOff}=0");
        }
    }

    private static Process Start(params string[] args) => Process.Start(StartInfo(args))!;

    private static ProcessStartInfo StartInfo(params string[] args)
    {
        string name = OperatingSystem.IsWindows() ? "pixio.exe" : "pixio";
        return new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, name), args)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
    }

    private static async Task<(int ExitCode, string Out, string Error)> EndAsync(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        try
        {
            await process
                .WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        return (process.ExitCode, await output, await error);
    }
}
