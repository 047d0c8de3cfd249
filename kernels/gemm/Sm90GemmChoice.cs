namespace PixioCuda.Kernels;

/// <summary>The choice among the configurations of a product on sm_90a. Estimates are nowhere near exact to a hundredth, and by the very best
/// of them every encoder, batch and product would have a kernel of its own, half a second of compilation each. So of those that cannot be
/// told apart, the first of a fixed order is taken.</summary>
internal static class Sm90GemmChoice
{
    // How much more than the least may be expected. Products that fold no LayerNorm, though their columns allow it, belong to the first
    // block or the last: a pass has each of them once, where others come in every block.
    private const double Tie = 1.02, TieOfOneBlock = 1.2;

    // With these, the published encoders need fewest kernels at batches of 1, 8 and 64 (docs/decisions/0037).
    private static readonly string[] Order =
    [
        "few-88x64-8-2x4x1", "few-48x128-8-2x3x1", "few-88x192-6-3x1x2", "few-72x128-8-4x2x1", "few-64x64-8-1x8x1", "few-32x64-8-2x4x1",
        "few-8x64-8-1x4x4", "few-8x64-8-1x8x1", "pingpong-128x128-6-4x2", "pingpong-128x160-6-2x2", "pingpong-64x128-8-4x2",
    ];

    /// <summary>The one to take.</summary>
    /// <param name="shape">The product.</param>
    /// <param name="estimates">What it can have, at least one.</param>
    public static GemmEstimate Of(GemmShape shape, IEnumerable<GemmEstimate> estimates)
    {
        List<GemmEstimate> all = [.. estimates];
        GemmEstimate fastest = all[0];
        foreach (GemmEstimate estimate in all)
        {
            if (estimate.Cycles < fastest.Cycles)
                fastest = estimate;
        }

        double limit = fastest.Cycles * (IsOfOneBlock(shape) ? TieOfOneBlock : Tie);
        (GemmEstimate choice, int place) = (fastest, Order.Length);
        foreach (GemmEstimate estimate in all)
        {
            int known = estimate.Cycles <= limit ? Array.IndexOf(Order, estimate.Config.Name, 0, place) : -1;
            if (known >= 0)
                (choice, place) = (estimate, known);
        }

        return choice;
    }

    private static bool IsOfOneBlock(GemmShape shape)
        => shape.Folding == GemmFolding.None && shape.K % GemmFoldingOperands.MomentColumns == 0 && shape.N % GemmFoldingOperands.MomentColumns == 0;
}
