using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>Every configuration that attention gets for a preset or a test model, compiled by the real NVRTC.</summary>
public sealed class AttentionCompilationTests
{
    public static TheoryData<string> Architectures => new() { "sm_80", "sm_89", "sm_90a" };

    [Theory]
    [MemberData(nameof(Architectures))]
    public void It_keeps_to_its_budgets_without_spills(string name)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        (GpuArchitecture architecture, DeviceLimits device) = Target(name);
        IKernelConfig[] configs = [.. Configurations(device)];
        Assert.NotEmpty(configs);
        CompiledKernel[] compiled = compiler.CompileAll([.. configs.Select(config => config.Source)], architecture, Environment.ProcessorCount);
        Assert.All(configs.Zip(compiled), pair =>
        {
            KernelResources resources = pair.Second.Resources;
            Assert.True(resources.Registers <= pair.First.RegisterBudget,
                $"{pair.First.Source.Title} takes {resources.Registers} registers of {pair.First.RegisterBudget}");
            Assert.True(resources.SpillStoreBytes + resources.SpillLoadBytes + resources.StackBytes == 0, $"{pair.First.Source.Title}: {resources}");
            Assert.Equal(0, resources.StaticSharedBytes);
            Assert.Empty(resources.Advisories);
        });
    }

    [Theory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void Its_PTX_has_the_instructions_that_it_claims(string name)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        (GpuArchitecture architecture, DeviceLimits device) = Target(name);
        IKernelConfig[] configs = [.. Configurations(device)];
        Parallel.ForEach(configs, config =>
        {
            string ptx = compiler.CompilePtx(config.Source, architecture).Text;
            foreach (string instruction in config.RequiredInstructions)
                Assert.True(ptx.Contains(instruction, StringComparison.Ordinal), $"{config.Source.Title} has no {instruction}");
        });
    }

    private static (GpuArchitecture Architecture, DeviceLimits Device) Target(string name) => name switch
    {
        "sm_80" => (GpuArchitecture.Sm80, DeviceLimits.A100),
        "sm_89" => (GpuArchitecture.Sm89, DeviceLimits.Rtx4090),
        _ => (GpuArchitecture.Sm90A, DeviceLimits.H200),
    };

    /// <summary>Those of vitb16, vitl16, vith16, vit1b16, vit5b16 and of the tiny models, at batch 1 and 64, of whole pictures and of class
    /// tokens alone, in every element type; equal ones once.</summary>
    private static HashSet<IKernelConfig> Configurations(DeviceLimits device)
    {
        HashSet<IKernelConfig> configs = [];
        foreach ((int heads, int headDim, int classTokens) in new[]
            { (12, 64, 8), (16, 64, 8), (16, 80, 8), (24, 64, 8), (32, 96, 8), (4, 16, 8), (4, 80, 8), (4, 96, 8), (4, 12, 1) })
        {
            // 256 x 256 pixels in patches of 16, for vith16 1024 x 1024 too; the tiny models' 64 x 64.
            foreach (int patches in heads == 4 ? [16] : headDim == 80 ? new[] { 256, 4096 } : [256])
            {
                int tokens = classTokens + patches;
                foreach (ElementType element in Enum.GetValues<ElementType>())
                {
                    foreach (int batch in new[] { 1, 64 })
                    {
                        configs.Add(AttentionKernel.SelectConfig(new(batch, tokens, tokens, heads, headDim, element), device));
                        configs.Add(AttentionKernel.SelectConfig(new(batch, tokens, classTokens, heads, headDim, element), device));
                    }

                    configs.Add(AttentionProbabilitiesKernel.SelectConfig(new(1, tokens, tokens, heads, headDim, element), device));
                }
            }
        }

        // The widest heads, and rows that no asynchronous copy can take.
        configs.Add(AttentionKernel.SelectConfig(new(1, 264, 264, 4, 128, ElementType.BF16), device));
        configs.Add(AttentionKernel.SelectConfig(new(64, 264, 264, 4, 128, ElementType.F32), device));
        configs.Add(AttentionKernel.SelectConfig(new(1, 264, 264, 4, 5, ElementType.F16), device));
        return configs;
    }
}
