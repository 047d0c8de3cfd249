using PixioCuda.Interop;
using PixioCuda.Kernels;
using Xunit;

namespace PixioCuda.Cuda.Tests;

/// <summary>Matrix products as wide as the presets', on an emulated device of compute capability 9.0 (or a real one).</summary>
public sealed class GemmFullWidthTests
{
    // Few, for the oracle's sake: the kernel does a whole tile of 64 in any case.
    private const int Rows = 9;

    /// <summary>The products of one block of each preset, for a small picture: in bf16 by gemm_sm90.cu, in fp16 by
    /// gemm_few_sm90.cu.</summary>
    [Theory]
    [Trait("Category", "Full width")]
    [InlineData(768)]
    [InlineData(1024)]
    [InlineData(1280)]
    [InlineData(1536)]
    [InlineData(3072)]
    public void Products_of_the_presets_widths_are_what_double_precision_gives(int width)
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(9, 0));
        foreach (GemmShape shape in GemmShapes.Encoder(Rows, width, 4 * width, ElementType.BF16, ElementType.F32))
        {
            (GemmCase bf16, GemmCase f16) = GemmCase.InBothHalves(shape);
            foreach (GemmCase test in (GemmCase[])[bf16, f16])
            {
                GemmConfig config = test == bf16 ? DefaultModeConfigs.OfWarpgroups(test.Shape) : DefaultModeConfigs.OfFewRows(test.Shape);
                GemmKernel kernel = new(device, test.Shape, config);
                // As GemmWarpgroupKernelTests has it.
                double share = (shape.HasResidual ? 2 : 1) + (4 / Math.Sqrt((double)shape.M * shape.N));
                test.Check(test.Run(device, kernel, (ulong)width), share);
            }
        }
    }

    /// <summary>qkv, and of ViT-H fc1, where LayerNorm is folded into it, of a stream with a massive channel. What they are in a block, and
    /// the products in front of them that leave copy and moments: <see cref="FoldedBlockTests"/>.</summary>
    [Theory]
    [Trait("Category", "Full width")]
    [InlineData(768, 3, "BF16", "Bias")]
    [InlineData(1024, 3, "BF16", "Bias")]
    [InlineData(1280, 3, "BF16", "Bias")]
    [InlineData(1280, 4, "F16", "BiasGelu")]
    [InlineData(1536, 3, "BF16", "Bias")]
    [InlineData(3072, 3, "BF16", "Bias")]
    public void Normed_products_of_the_presets_widths_are_what_double_precision_gives(int width, int times, string elementName, string epilogue)
    {
        using GpuDevice device = Emulator.Open(new ComputeCapability(9, 0));
        ElementType element = Enum.Parse<ElementType>(elementName);
        GemmShape shape = new(Rows, times * width, width, element, element, Enum.Parse<GemmEpilogue>(epilogue))
        {
            Folding = GemmFolding.Applies,
        };
        NormedProductCase test = new(shape, massive: 500);
        test.Check(test.Run(device, new GemmKernel(device, shape), (ulong)width));
    }
}
