namespace PixioCuda.Verification;

/// <summary>What a verification found.</summary>
public sealed record VerificationReport
{
    /// <summary>Where the weights are.</summary>
    public required string Weights { get; init; }

    /// <summary>Whether the weights were made from a seed.</summary>
    public required bool IsRandom { get; init; }

    /// <summary>The device that was verified, in words.</summary>
    public required string Device { get; init; }

    /// <summary>What it was held against: the CPU's narrowest kernels on one thread.</summary>
    public required string Reference { get; init; }

    /// <summary>The input: a picture's name, a file of pixel values, or "noise".</summary>
    public required string Input { get; init; }

    /// <summary>Batch, height and width of the input.</summary>
    public required InputShape Shape { get; init; }

    /// <summary>How the picture became pixel values; null where no picture was given.</summary>
    public string? Recipe { get; init; }

    /// <summary>The files of a snapshot in the hub's cache, whose names tell their hashes; empty for other models.</summary>
    public required IReadOnlyList<FileHash> Files { get; init; }

    /// <summary>Every stored tensor.</summary>
    public required IReadOnlyList<TensorStatistics> Tensors { get; init; }

    /// <summary>The outputs as the device computes them, against the reference and other runs, one entry for each output in the order of
    /// the forward pass.</summary>
    public required IReadOnlyList<OutputVerification> Outputs { get; init; }

    /// <summary>Whether a picture's outputs are the same bits alone and in a batch of three.</summary>
    public required bool IsBatchInvariant { get; init; }

    /// <summary>The largest distance from the published values, and null where they were not compared.</summary>
    public double? PublishedDistance { get; init; }

    /// <summary>What is wrong, in whole sentences. Empty for a model that is right.</summary>
    public required IReadOnlyList<string> Findings { get; init; }

    /// <summary>What is worth knowing and not wrong.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}

/// <summary>A file of the hub's cache.</summary>
/// <param name="Name">Its name in the snapshot.</param>
/// <param name="Expected">The hash that its blob is named by.</param>
/// <param name="Actual">The hash of its content.</param>
public sealed record FileHash(string Name, string Expected, string Actual);

/// <summary>The distance of one output from another run's.</summary>
/// <param name="RelativeL2">The L2 norm of the difference over that of the expected values; not a number where an output is not
/// finite.</param>
/// <param name="Cosine">The cosine of the two as vectors.</param>
/// <param name="WorstToken">The token (counted through the batch) whose own relative L2 error is largest; of pooler_output the
/// picture.</param>
/// <param name="WorstTokenRelativeL2">That error.</param>
public sealed record OutputDistance(double RelativeL2, double Cosine, long WorstToken, double WorstTokenRelativeL2);

/// <summary>One output of the model.</summary>
/// <param name="Name">"hidden_states.8", "last_hidden_state", "pooler_output".</param>
/// <param name="Device">The device's distance from the reference.</param>
/// <param name="Bound">The largest relative L2 error that float32 rounding explains; see <see cref="ModelVerifier"/>.</param>
/// <param name="BFloat16Weights">The distance that weights rounded to bfloat16 make, on the device.</param>
/// <param name="Float16Weights">The distance that weights rounded to float16 make, on the device.</param>
/// <param name="Against">The distance from the given file; null where it does not hold this output.</param>
public sealed record OutputVerification(
    string Name, OutputDistance Device, double Bound, OutputDistance BFloat16Weights, OutputDistance Float16Weights,
    OutputDistance? Against);
