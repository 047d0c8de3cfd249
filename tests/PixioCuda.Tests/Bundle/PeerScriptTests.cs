using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Bundle;

/// <summary>The scripts in bench/peers where there is no PyTorch: their arguments, and what they say then.</summary>
public sealed class PeerScriptTests
{
    private static readonly string[] Required = ["--ours", "no-such-program", "--model", "no-such-folder"];

    // A torch that cannot be imported stands before whatever this machine has.
    private static readonly (string Name, string? Value) NoBytecode = ("PYTHONDONTWRITEBYTECODE", "1");

    [Theory]
    [InlineData("common")]
    [InlineData("parity")]
    [InlineData("ceilings")]
    [InlineData("compare")]
    public async Task Every_script_compiles(string script)
    {
        ScriptRun run = await ScriptRun.Of("python3", ["-c", $"compile(open(r'{PathOf(script)}').read(), '{script}.py', 'exec')"]);
        Assert.True(run.ExitCode == 0, run.Error);
    }

    [Theory]
    [InlineData("parity", "float64")]
    [InlineData("ceilings", "8192")]
    [InlineData("compare", "in turns")]
    public async Task Help_says_what_is_measured(string script, string words)
    {
        ScriptRun run = await RunAsync(script, "--help");
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains(words, run.Out, StringComparison.Ordinal);
        Assert.Contains("--output", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("parity", "--model", "")]
    [InlineData("parity", "--batch", "two", true)]
    [InlineData("parity", "--batch", "0", true)]
    [InlineData("ceilings", "--side", "-1")]
    [InlineData("ceilings", "--sides", "1")]
    [InlineData("compare", "--mode", "fast", true)]
    [InlineData("compare", "--batches", "0", true)]
    [InlineData("compare", "--seconds", "0", true)]
    [InlineData("compare", "--seconds", "nan", true)]
    [InlineData("compare", "--rounds", "1.5", true)]
    public async Task A_slip_is_exit_code_2_and_names_the_argument(string script, string name, string value, bool withRequired = false)
    {
        ScriptRun run = await RunAsync(script, [.. withRequired ? Required : [], name, value]);
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Out);
        Assert.Contains($"{script}.py: error: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(name, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("parity")]
    [InlineData("ceilings")]
    [InlineData("compare")]
    public async Task Without_PyTorch_a_sentence_and_exit_code_3(string script)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("torch.py"), "raise ImportError('none for this test')");
        ScriptRun run = await ScriptRun.Of(
            "python3", [PathOf(script), .. script == "ceilings" ? [] : Required], NoBytecode, ("PYTHONPATH", folder.Root));
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Matches("^PyTorch is not installed for .*none for this test.*\n$", run.Out);
    }

    [Fact]
    public async Task Without_a_GPU_or_a_PixioModel_a_sentence_and_exit_code_3()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("torch.py"), "__version__ = '0'\nclass cuda:\n    def is_available(): return False\n");
        File.WriteAllText(folder.File("transformers.py"), "__version__ = '1.2.3'\n");
        ScriptRun run = await ScriptRun.Of("python3", [PathOf("ceilings")], NoBytecode, ("PYTHONPATH", folder.Root));
        Assert.Equal((3, "PyTorch 0 sees no CUDA device.\n"), (run.ExitCode, run.Out));
        run = await ScriptRun.Of("python3", [PathOf("compare"), .. Required], NoBytecode, ("PYTHONPATH", folder.Root));
        Assert.Equal((3, "transformers 1.2.3 has no PixioModel; install a later one.\n"), (run.ExitCode, run.Out));
    }

    private static Task<ScriptRun> RunAsync(string script, params string[] arguments)
        => ScriptRun.Of("python3", [PathOf(script), .. arguments], NoBytecode);

    private static string PathOf(string script) => Path.Combine(ScriptRun.Root, "bench", "peers", script + ".py");
}
