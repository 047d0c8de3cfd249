using Xunit;

namespace PixioCuda.Tests.Cli;

public class UsageTests
{
    public static TheoryData<string, string> Slips => new()
    {
        { "", "pixio --help" },
        { "enbed x.png", "There is no command 'enbed': did you mean 'embed'? See 'pixio --help'." },
        { "porfile", "'porfile': did you mean 'profile'?" },
        { "bogus", "There is no command 'bogus': they are embed, features, show, info, convert, verify, synth, bench, profile, kernels, doctor. See" },
        { "infotainment", "There is no command 'infotainment': they are" },
        { "--bogus", "There is no option '--bogus' in front of a command." },
        { "--bogus info", "--bogus" },
        { "embed", "IMAGE" },
        { "embed x.png", "--model" },
        { "embed x.png --modle random:vitb16", "--modle" },
        { "embed x.png --model random:vitb16 --embedding mean", "pooler, cls-raw-mean, cls-concat, dense-2d" },
        { "embed x.png --model random:vitb16 --recipe timm", "hf, meta-knn" },
        { "embed x.png --model random:vitb16 --device tpu", "auto" },
        { "embed x.png --model random:vitb16 --threads 0", "from 1 to 1024" },
        { "embed x.png --model random:vitb16 --batch many", "from 1 to 1024" },
        { "embed x.png --model random:vitb16 --resize 256", "HEIGHTxWIDTH" },
        { "embed x.png --model random:vitb16 --output out.pt", ".npy or .safetensors or .parquet or .jsonl" },
        { "embed x.png --model random:vitb16 --output /no/such/folder/out.npy", "/no/such/folder" },
        { "embed x.png --model random:vitb16 --hidden-states 8 --output out.npy", ".safetensors" },
        { "embed x.png --model random:vitb16 --hidden-states 8;9 --output out.safetensors", "commas" },
        { "embed - - --model random:vitb16", "only once" },
        { "embed - --list - --model random:vitb16", "not both" },
        { "embed x.png --model random:vitb16 --format tiff --output out", "npy, safetensors, parquet, jsonl" },
        { "embed x.png --model random:vitb16 --format npy", "--output FOLDER" },
        { "embed x.png --model random:vitb16 --output out.npy --shard 0/2", "--format" },
        { "embed x.png --model random:vitb16 --output out --format npy --shard 2/2", "0/2 to 1/2" },
        { "embed x.png --model random:vitb16 --output out --format npy --shard half", "I/N" },
        { "embed x.png --model random:vitb16 --fail-fast --max-failures 3", "not both" },
        { "embed x.png --model random:vitb16 --output out.parquet --embedding dense-2d", ".safetensors" },
        { "embed x.png --model random:vitb16 --dtype f16", "--output" },
        { "embed - --model random:vitb16 --output out --format npy", "standard input" },
        { "features x.png --model random:vitb16", "--output" },
        { "features x.png --model random:vitb16 --output a.safetensors --out-features stem --out-indices 0", "not by both" },
        { "info random:vitb16 --shape 1x2x3x4", "BATCHxHEIGHTxWIDTH" },
        { "info random:vitb16 --shape 250x256", "240x256 and 256x256" },
        { "synth vitb17 folder", "vitb16" },
        { "verify random:vitb16 --image a.png --against b.safetensors", "not both" },
        { "verify random:vitb16 --tolerance 1e-3", "--against" },
        { "verify random:vitb16 --against b.safetensors --tolerance -1", "above 0" },
        { "verify random:vitb16 --published", "--image" },
        { "bench --iterations 3 --seconds 3", "not both" },
        { "bench --device cpu --gemm cublaslt", "not by cuBLASLt" },
        { "bench --gemm openblas", "native, cublaslt" },
        { "profile --check-finite", "--check-finite" },
        { "show x.png --model random:vitb16 --output x.jpg", ".png" },
        { "embed x.png --model random:vitb16 --weights-in-memory f16", "f32, bf16" },
        { "bench --device cuda --weights-in-memory bf16", "CUDA" },
        { "show x.png --model random:vitb16 --output x.png --view attention --stage 3", "--layer" },
        { "show x.png --model random:vitb16 --output x.png --layer 3", "--view attention" },
        { "show x.png --model random:vitb16 --output x.png --patch 1,2", "--view similarity" },
        { "show x.png --model random:vitb16 --output x.png --view similarity --patch 1", "a row and a column" },
        { "profile --device cpu", "pixio bench --device cpu" },
        { "profile --plan --runs 3", "--plan runs nothing" },
        { "profile --plan --trace t.json", "--plan runs nothing" },
        { "profile --trace t.txt", "--trace must end in .json" },
        { "profile --trace /no/such/folder/t.json", "/no/such/folder" },
        { "profile --runs 0", "from 1 to 10000" },
    };

    [Theory]
    [MemberData(nameof(Slips))]
    public void A_slip_gives_one_line_that_says_what_is_allowed_and_exit_code_2(string commandLine, string hint)
    {
        PixioRun run = PixioRun.Of(commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(2, run.ExitCode);
        Assert.Empty(run.Out);
        string line = Assert.Single(run.ErrorLines);
        Assert.StartsWith("pixio: ", line, StringComparison.Ordinal);
        Assert.Contains(hint, line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("embed {0} --model {1}", "no-such.png", "{tiny}")]
    [InlineData("embed {0} --model {1}", "{cat}", "no-such-model")]
    [InlineData("embed {0} --model {1}", "{cat}", "random:vitb17")]
    [InlineData("embed {0} --model {1}", "{cat}", "random:vitb16@x")]
    [InlineData("embed {0} --model {1} --max-pixels 1000", "{cat}", "{tiny}")]
    [InlineData("features {0} --model {1} --output never-written.safetensors", "{images}", "{tiny}")]
    [InlineData("embed {0} --model {1}", "no-such-*.jpg", "{tiny}")]
    [InlineData("embed --list {0} --model {1}", "no-such.txt", "{tiny}")]
    [InlineData("embed {0} --model {1}", "{cat}", "{images}")]
    [InlineData("show {0} --model {1} --output never-written.png", "{bad}", "{tiny}")]
    [InlineData("info {1}", "", "{odd-config}")]
    [InlineData("info {1}", "", "owner/name@../up")]
    [InlineData("verify {1} --image {0}", "no-such.png", "{tiny}")]
    [InlineData("verify {1} --against {0}", "no-such.safetensors", "{tiny}")]
    [InlineData("verify {1} --against {0}", "{cat}", "{tiny}")]
    [InlineData("verify {1}", "", "no-such-model")]
    public void Bad_input_gives_one_line_and_exit_code_3(string commandLine, string picture, string model)
    {
        string[] args = [.. commandLine.Split(' ').Select(word => word switch
        {
            "{0}" => Path(picture),
            "{1}" => Path(model),
            _ => word,
        })];
        PixioRun run = PixioRun.Of([.. args, "--quiet"]);
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(run.Out);
        Assert.StartsWith("pixio: ", Assert.Single(run.ErrorLines), StringComparison.Ordinal);

        static string Path(string name) => name switch
        {
            "{cat}" => CliData.Cat,
            "{bad}" => CliData.Bad,
            "{tiny}" => CliData.Model,
            "{images}" => TestData.Path("images"),
            "{odd-config}" => TestData.Path("images", "manifest.json"),
            _ => name,
        };
    }

    [Theory]
    [InlineData("embed")]
    [InlineData("features")]
    [InlineData("show")]
    [InlineData("info")]
    [InlineData("verify")]
    [InlineData("synth")]
    [InlineData("bench")]
    [InlineData("doctor")]
    [InlineData("profile")]
    [InlineData("")]
    public void Help_has_examples_and_exit_codes(string command)
    {
        PixioRun run = PixioRun.Of(command.Length > 0 ? [command, "--help"] : ["--help"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.Contains($"\n  pixio {command}", run.Out, StringComparison.Ordinal);
        Assert.Contains("3 bad input", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_option_in_an_example_is_an_option_of_its_command()
    {
        foreach (string command in new[] { "embed", "features", "show", "info", "convert", "verify", "synth", "bench", "kernels", "doctor", "profile" })
        {
            string[] parts = PixioRun.Of(command, "--help").Out.Split("Examples:");
            string[] examples = [.. parts[1].Split('\n').Where(line => line.Contains($"pixio {command}", StringComparison.Ordinal))];
            Assert.True(examples.Length >= 2, $"{command} has {examples.Length} examples.");
            foreach (string option in examples.SelectMany(example => example.Split(' '))
                .Where(word => word.StartsWith("--", StringComparison.Ordinal)))
                Assert.Contains($" {option} ", parts[0], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Version_is_printed()
    {
        PixioRun run = PixioRun.Of("--version");
        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"^pixio \d+\.\d+\.\d+\n$", run.Out);
    }
}
