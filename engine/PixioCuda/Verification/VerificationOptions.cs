using PixioCuda.Imaging;

namespace PixioCuda.Verification;

/// <summary>What a model is verified with.</summary>
public sealed record VerificationOptions
{
    /// <summary>Device, threads, decoder, recipe, hub: what is verified is the model as these options run it.</summary>
    public PixioModelOptions Model { get; init; } = new();

    /// <summary>The picture that the model is run on; null for noise made from a seed, normally distributed as pixel values are.</summary>
    public RgbImage? Picture { get; init; }

    /// <summary>What to call <see cref="Picture"/> in the report.</summary>
    public string? PictureName { get; init; }

    /// <summary>A safetensors file with <c>pixel_values</c> [B, C, H, W] and outputs that another implementation computed from them:
    /// any of <c>hidden_states.i</c>, <c>last_hidden_state</c>, <c>pooler_output</c>. The model then runs on these pixel values.</summary>
    public string? Against { get; init; }

    /// <summary>The largest relative L2 error of an output of <see cref="Against"/>; null for what float32 rounding explains. For
    /// references that were computed in half precision.</summary>
    public double? Tolerance { get; init; }

    /// <summary>Whether <see cref="Picture"/> is the COCO image 000000039769 and the weights are facebook/pixio-vith16, so that the values
    /// that transformers publishes for them must come out.</summary>
    public bool HoldsPublishedValues { get; init; }
}

/// <summary>How far a verification is.</summary>
/// <param name="Step">What is done, in words.</param>
/// <param name="Share">0 to 1, of the whole.</param>
public readonly record struct VerificationProgress(string Step, double Share);
