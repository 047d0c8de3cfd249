using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>Compilation by the real NVRTC.</summary>
public sealed class KernelCompilerTests
{
    private const string Text = """
        #include "scale.cuh"
        struct Args { const float* x; float* y; int count; };
        static_assert(sizeof(Args) == 24, "as the host has it");
        extern "C" __global__ void __launch_bounds__(128) scale(const __grid_constant__ Args args) {
            __shared__ float tile[128];
            int i = blockIdx.x * 128 + threadIdx.x;
            tile[threadIdx.x] = i < args.count ? args.x[i] : 0.0f;
            __syncthreads();
            if (i < args.count) args.y[i] = scaled(tile[127 - threadIdx.x]);
        }
        """;

    [Theory]
    [InlineData("8.0", "sm_80")]
    [InlineData("8.6", "sm_86")]
    [InlineData("8.9", "sm_89")]
    [InlineData("9.0", "sm_90a")]
    public void A_kernel_becomes_machine_code_and_its_needs_are_read_from_the_log(string capability, string expected)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        CompiledKernel kernel = compiler.Compile(Source(), Select(compiler, capability));
        Assert.Equal("\u007fELF"u8.ToArray(), kernel.Cubin[..4]);
        Assert.Equal(expected, kernel.Architecture.Name);
        Assert.Contains($"'{expected}'", kernel.Log, StringComparison.Ordinal);
        Assert.Equal(compiler.Version, kernel.CompilerVersion);
        KernelResources resources = kernel.Resources;
        Assert.InRange(resources.Registers, 1, 40);
        Assert.Equal(512, resources.StaticSharedBytes);
        Assert.Equal((0, 0, 0), (resources.StackBytes, resources.SpillStoreBytes, resources.SpillLoadBytes));
        Assert.Empty(resources.Advisories);
    }

    [Fact]
    public void The_same_source_gives_the_same_code_and_a_define_changes_it()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        Assert.Equal(compiler.Compile(Source(), GpuArchitecture.Sm80).Cubin, compiler.Compile(Source(), GpuArchitecture.Sm80).Cubin);
        Assert.NotEqual(compiler.Compile(Source(), GpuArchitecture.Sm80).Cubin, compiler.Compile(Source("5"), GpuArchitecture.Sm80).Cubin);
    }

    [Fact]
    public void Ptx_shows_the_instructions()
    {
        CompiledPtx ptx = RealNvrtc.Require().CompilePtx(Source(), GpuArchitecture.Sm90A);
        Assert.Contains(".target sm_90a", ptx.Text, StringComparison.Ordinal);
        Assert.Contains("bar.sync", ptx.Text, StringComparison.Ordinal);
        Assert.DoesNotContain('\0', ptx.Text);
    }

    [Fact]
    public void Spills_and_stack_are_seen()
    {
        const string Greedy = """
            extern "C" __global__ void __launch_bounds__(1024, 2) greedy(float* x) {
                float a[96];
                for (int i = 0; i < 96; i++) a[i] = x[i * 1024 + threadIdx.x];
                for (int r = 0; r < 8; r++) for (int i = 0; i < 96; i++) a[i] = a[i] * a[(i * 7 + 3) % 96] + a[(i + 1) % 96];
                for (int i = 0; i < 96; i++) x[i * 1024 + threadIdx.x] = a[i];
            }
            """;
        KernelResources resources = RealNvrtc.Require()
            .Compile(new KernelSource("greedy.cu", Greedy, [], [], "greedy", 8), GpuArchitecture.Sm80).Resources;
        Assert.Equal(32, resources.Registers);
        Assert.True(resources.StackBytes > 0 && resources.SpillStoreBytes > 0 && resources.SpillLoadBytes > 0, $"{resources}");
    }

    [Fact]
    public void An_error_names_the_kernel_the_file_and_the_line()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        KernelCompilationException exception = Assert.Throws<KernelCompilationException>(
            () => compiler.Compile(Source("undeclared_factor"), GpuArchitecture.Sm80));
        Assert.Equal("scale (FACTOR=undeclared_factor)", exception.Kernel);
        Assert.Equal(("scale.cuh", 2), (exception.File, exception.Line));
        Assert.Contains("undeclared_factor", exception.Log, StringComparison.Ordinal);
        Assert.StartsWith(
            "The kernel scale (FACTOR=undeclared_factor) does not compile for sm_80 (NVRTC_ERROR_COMPILATION): scale.cuh(2): error:",
            exception.Message, StringComparison.Ordinal);
        Assert.Contains("\n    float scaled(float x) { return x * FACTOR; }\n", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_of_ptxas_carries_its_log()
    {
        const string Wrong = """
            extern "C" __global__ void wrong(float* x) { asm volatile("no.such.instruction;"); }
            """;
        KernelCompilationException exception = Assert.Throws<KernelCompilationException>(
            () => RealNvrtc.Require().Compile(new KernelSource("wrong.cu", Wrong, [], [], "wrong", 8), GpuArchitecture.Sm80));
        Assert.Contains("ptxas", exception.Log, StringComparison.Ordinal);
        Assert.Contains("any known instruction: 'no'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_in_the_working_directory_are_not_included()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        if (compiler.Version < new Version(12, 4))
            Assert.Skip("The option that forbids it is known from NVRTC 12.4 on.");
        string name = $"planted-{Guid.NewGuid():N}.cuh";
        string path = Path.Combine(Environment.CurrentDirectory, name);
        File.WriteAllText(path, "#define FACTOR 1\n");
        try
        {
            var source = new KernelSource(
                "k.cu", $"#include \"{name}\"\nextern \"C\" __global__ void k(float* x) {{ *x = FACTOR; }}", [], [], "k", 8);
            KernelCompilationException exception = Assert.Throws<KernelCompilationException>(
                () => compiler.Compile(source, GpuArchitecture.Sm80));
            Assert.Equal(("k.cu", 1), (exception.File, exception.Line));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Many_kernels_are_compiled_at_a_time_and_come_in_order()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        KernelSource[] sources = [.. Enumerable.Range(1, 12).Select(factor => Source($"{factor}.5f"))];
        CompiledKernel[] together = compiler.CompileAll(sources, GpuArchitecture.Sm80, degree: 4);
        for (int index = 0; index < sources.Length; index++)
            Assert.Equal(compiler.Compile(sources[index], GpuArchitecture.Sm80).Cubin, together[index].Cubin);
    }

    [Fact]
    public void One_that_does_not_compile_is_named_among_many()
    {
        AggregateException exception = Assert.Throws<AggregateException>(
            () => RealNvrtc.Require().CompileAll([Source("1"), Source("nonsense"), Source("2")], GpuArchitecture.Sm80, degree: 2));
        Assert.Equal("scale (FACTOR=nonsense)", Assert.IsType<KernelCompilationException>(Assert.Single(exception.InnerExceptions)).Kernel);
    }

    [Fact]
    public void An_architecture_that_NVRTC_does_not_know_is_refused_with_those_that_it_knows()
    {
        NotSupportedException exception = Assert.Throws<NotSupportedException>(
            () => RealNvrtc.Require().Compile(Source(), new GpuArchitecture(8, 5)));
        Assert.Contains("does not know sm_85", exception.Message, StringComparison.Ordinal);
        Assert.Contains("sm_80", exception.Message, StringComparison.Ordinal);
    }

    private static GpuArchitecture Select(KernelCompiler compiler, string capability)
    {
        var version = Version.Parse(capability);
        return GpuArchitecture.Select(new ComputeCapability(version.Major, version.Minor), compiler.Architectures, compiler.Title);
    }

    private static KernelSource Source(string factor = "3")
        => new("scale.cu", Text, [new KernelInclude("scale.cuh", "#pragma once\nfloat scaled(float x) { return x * FACTOR; }\n")],
            [new KernelDefine("FACTOR", factor)], "scale", 24);
}
