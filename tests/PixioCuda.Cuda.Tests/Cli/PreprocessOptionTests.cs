using PixioCuda.Tests;
using PixioCuda.Tests.Cli;
using PixioCuda.Tests.Pipeline;
using Xunit;

namespace PixioCuda.Cuda.Tests.Cli;

/// <summary><c>--preprocess</c> of the commands that run pictures: every output has the same bytes, whatever it says.</summary>
public sealed class PreprocessOptionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pixio-preprocess-").FullName;

    public PreprocessOptionTests()
    {
        Directory.CreateDirectory(Pictures);
        for (int number = 0; number < 5; number++)
        {
            byte[] file = MinimalBitmap.Create(8 + (12 * number), 50 - (9 * number));
            new Random(number).NextBytes(file.AsSpan(MinimalBitmap.HeaderByteCount));
            File.WriteAllBytes(Path.Combine(Pictures, $"{number:D2}.bmp"), file);
        }

        File.WriteAllText(Path.Combine(Pictures, "02-bad.bmp"), "no picture");
    }

    private string Pictures => Path.Combine(_folder, "pictures");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("npy")]
    [InlineData("safetensors")]
    [InlineData("parquet")]
    [InlineData("jsonl")]
    public void A_file_has_the_same_bytes(string extension)
    {
        Emulator.Require();
        Dictionary<string, byte[]> files = [];
        foreach (string place in new[] { "cpu", "gpu", "auto" })
        {
            string output = Path.Combine(_folder, $"{place}.{extension}");
            PixioRun run = PixioRun.Of("embed", Pictures, "--model", TestData.Path("tiny"), "--device", "cuda", "--batch", "3", "--output", output, "--preprocess", place);
            Assert.True(run.ExitCode == 5, run.Error);
            // The line at the end tells which one it was and why.
            string told = run.ErrorLines.Single(line => line.Contains("images/s", StringComparison.Ordinal) && line.Contains("the limit is", StringComparison.Ordinal));
            Assert.EndsWith(
                place switch
                {
                    "cpu" => "; preprocessed on the CPU, as asked",
                    "gpu" => "; preprocessed on the GPU, as asked",
                    _ => "; preprocessed on the GPU, because the model is there and has memory to spare",
                },
                told, StringComparison.Ordinal);
            Assert.Equal(place != "cpu", told.Contains("gpu-preprocess ", StringComparison.Ordinal));
            files[place] = File.ReadAllBytes(output);
        }

        Assert.Equal(files["cpu"], files["gpu"]);
        Assert.Equal(files["cpu"], files["auto"]);
    }

    [Fact]
    public void A_job_goes_on_whatever_preprocessed_its_first_half()
    {
        Emulator.Require();
        string Job(string name, string place, string expected)
        {
            string output = Path.Combine(_folder, name);
            PixioRun run = PixioRun.Of(
                "embed", Pictures, "--model", TestData.Path("tiny"), "--device", "cuda", "--format", "npy", "--part-size", "2", "--output", output,
                "--preprocess", place);
            Assert.True(run.ExitCode == 5, run.Error);
            Assert.Contains(expected, run.Error, StringComparison.Ordinal);
            return output;
        }

        string whole = Job("whole", "cpu", "0 of them done before"), mixed = Job("mixed", "gpu", "0 of them done before");
        AssertSame(whole, mixed);
        // What the CPU's pixel values gave counts as done, and what is missing is done by the GPU's.
        File.Delete(Path.Combine(whole, "part-00001.manifest.json"));
        Job("whole", "gpu", "2 of them done before");
        AssertSame(mixed, whole);
    }

    [Fact]
    public void Feature_maps_have_the_same_bytes()
    {
        Emulator.Require();
        string[] pictures = [.. new[] { "00", "03", "04" }.Select(name => Path.Combine(Pictures, $"{name}.bmp"))];
        byte[][] files = [.. new[] { "cpu", "gpu" }.Select(place =>
        {
            string output = Path.Combine(_folder, $"maps-{place}.safetensors");
            PixioRun run = PixioRun.Of(["features", .. pictures, "--model", TestData.Path("tiny"), "--device", "cuda", "--resize", "48x80", "--output", output, "--preprocess", place]);
            Assert.True(run.ExitCode == 0, run.Error);
            return File.ReadAllBytes(output);
        })];
        Assert.Equal(files[0], files[1]);
    }

    [Fact]
    public void A_GPU_that_the_model_is_not_on_is_exit_code_2()
    {
        PixioRun run = PixioRun.Of("embed", Path.Combine(Pictures, "00.bmp"), "--model", TestData.Path("tiny"), "--device", "cpu", "--preprocess", "gpu", "--quiet");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("A GPU preprocesses pictures only where the model is on it, and this one is on cpu", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        run = PixioRun.Of("embed", "x.bmp", "--model", TestData.Path("tiny"), "--preprocess", "npu");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--preprocess takes one of auto, cpu, gpu, not 'npu'.", run.Error, StringComparison.Ordinal);
    }

    private static void AssertSame(string folder, string other)
    {
        string[] names = [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        Assert.Equal(names, Directory.GetFiles(other).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        Assert.Equal(9, names.Length);
        Assert.All(names, name => Assert.Equal(File.ReadAllBytes(Path.Combine(folder, name)), File.ReadAllBytes(Path.Combine(other, name))));
    }
}
