namespace PixioCuda.Graph;

/// <summary>The weights of the encoder by their place in it, whatever a checkpoint calls them.</summary>
internal enum WeightRole
{
    ClsToken,
    PosEmbed,
    PatchWeight,
    PatchBias,
    Norm1Weight,
    Norm1Bias,
    QkvWeight,
    QkvBias,
    ProjWeight,
    ProjBias,
    Norm2Weight,
    Norm2Bias,
    Fc1Weight,
    Fc1Bias,
    Fc2Weight,
    Fc2Bias,
    LayerNormWeight,
    LayerNormBias,
}

/// <summary>One weight of the encoder.</summary>
/// <param name="Role">Its place in a block, or outside of the blocks.</param>
/// <param name="Layer">The block, from 0; -1 outside of the blocks.</param>
internal sealed record WeightKey(WeightRole Role, int Layer = -1);
