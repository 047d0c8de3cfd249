using System.Collections.Concurrent;
using PixioCuda.Cuda.Tests;
using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

public sealed class GemmCompilationTests
{
    [Theory]
    [InlineData("A100")]
    [InlineData("RTX 4090")]
    [InlineData("H200")]
    public void Every_configuration_of_ViT_H_stays_within_its_budget(string device)
    {
        KernelCompiler compiler = RealNvrtc.Require();
        (DeviceLimits limits, GpuArchitecture architecture) = device switch
        {
            "A100" => (DeviceLimits.A100, GpuArchitecture.Sm80),
            "RTX 4090" => (DeviceLimits.Rtx4090, GpuArchitecture.Sm89),
            _ => (DeviceLimits.H200, GpuArchitecture.Sm90A),
        };
        GemmConfig[] configs = [.. Shapes().Select(shape => GemmKernel.SelectConfig(shape, limits)).Concat(Alternatives(limits)).Distinct()];
        Assert.True(configs.Length >= 5);
        Assert.Empty(Faults(compiler, architecture, configs));
    }

    private static ConcurrentBag<string> Faults(KernelCompiler compiler, GpuArchitecture architecture, IReadOnlyList<GemmConfig> configs)
    {
        ConcurrentBag<string> faults = [];
        Parallel.ForEach(configs, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, config =>
        {
            KernelResources used = compiler.Compile(config.Source, architecture).Resources;
            if (used.Registers > config.RegisterBudget || used.StackBytes + used.SpillStoreBytes + used.StaticSharedBytes > 0 || used.Advisories.Count > 0)
                faults.Add($"{config.Source.Title}: budget {config.RegisterBudget}, used {used}");
            string ptx = compiler.CompilePtx(config.Source, architecture).Text;
            foreach (string instruction in config.RequiredInstructions.Where(instruction => !ptx.Contains(instruction, StringComparison.Ordinal)))
                faults.Add($"{config.Source.Title}: no {instruction}");
        });
        return faults;
    }

    /// <summary>Those of the mode whose bits may depend on the batch: what ViT-H's products can take in batches of one and two, with and
    /// without folding: the two that are expected to be fastest, and every 200th.</summary>
    [Fact]
    public void Every_configuration_for_few_rows_stays_within_its_budget()
    {
        KernelCompiler compiler = RealNvrtc.Require();
        GemmConfig[] configs =
        [
            .. new[] { 8, 264, 528 }.SelectMany(rows => GemmShapes.Encoder(rows, 1280, 5120, ElementType.BF16, ElementType.F32))
                .Select(shape => shape.HasResidual ? shape : shape with { Output = ElementType.BF16 })
                .SelectMany(shape => new[]
                {
                    shape,
                    shape with
                    {
                        Folding = shape.HasResidual ? GemmFolding.Prepares : shape.HasBias ? GemmFolding.Applies : GemmFolding.None,
                    },
                })
                .SelectMany(shape => FewRowsGemmTiles.Candidates(shape, DeviceLimits.H200, splitsK: true).OrderBy(estimate => estimate.Cycles)
                    .Where((_, number) => number is 0 or 1 || number % 200 == 0))
                .Select(estimate => estimate.Config).Distinct(),
        ];
        Assert.True(configs.Length > 50, $"only {configs.Length} configurations");
        Assert.Empty(Faults(compiler, GpuArchitecture.Sm90A, configs));
    }

    /// <summary>On sm_90a every tile, with the ways out that take most registers; in clusters that share one operand or both, which change
    /// the copying only, with the one that takes most of all.</summary>
    private static IEnumerable<GemmConfig> Alternatives(DeviceLimits device)
    {
        GemmShape gelu = new(64 * 264, 5120, 1280, ElementType.BF16, ElementType.BF16, GemmEpilogue.BiasGelu);
        GemmShape residual = new(64 * 264, 1280, 5120, ElementType.F16, ElementType.F32, GemmEpilogue.BiasResidual);
        GemmShape normed = gelu with { Folding = GemmFolding.Applies }, prepared = residual with { Folding = GemmFolding.Prepares };
        GemmShape qkv = new(64 * 264, 3840, 1280, ElementType.F16, ElementType.F16, GemmEpilogue.Bias) { Folding = GemmFolding.Applies };
        return new[] { gelu, residual, normed, qkv, prepared }.Where(shape => WarpgroupGemmTiles.Allows(shape, device))
            .SelectMany(shape => WarpgroupGemmTiles.Candidates(shape, device).Select(estimate => estimate.Config)
                .Cast<WarpgroupGemmConfig>().Where(config => config.Cluster == 1
                    || (shape == normed && (config.ClusterM == config.ClusterN || config.ClusterM == 5))));
    }

    // Batch 1 and 64 at 256 x 256, class tokens alone, and rows in groups.
    private static IEnumerable<GemmShape> Shapes()
    {
        foreach (int rows in new[] { 8, 264, 64 * 264 })
        {
            foreach (GemmShape shape in GemmShapes.Encoder(rows, 1280, 5120, ElementType.BF16, ElementType.BF16))
                yield return shape;
        }

        // The residual stream as it is: float32.
        foreach (GemmShape shape in GemmShapes.Encoder(64 * 264, 1280, 5120, ElementType.F16, ElementType.F32))
            yield return shape;
        foreach (GemmShape shape in GemmShapes.Encoder(264, 1280, 5120, ElementType.F32, ElementType.F32))
            yield return shape;
        yield return new GemmShape(64 * 264, 1280, 1280, ElementType.F16, ElementType.F32, GemmEpilogue.BiasResidual, ElementType.F32)
        {
            ResidualRows = new(1280, 264, 272L * 1280),
        };
    }
}
