namespace PixioCuda.Pipeline;

/// <summary>What became of one picture.</summary>
/// <param name="Entry">The picture.</param>
/// <param name="Failure">Why it could not be used; null where it could.</param>
/// <param name="Features">What was asked for, in the order of <see cref="EncoderPlan.Outputs"/>; empty for a failed picture. The memory is
/// used again once the next result is asked for.</param>
/// <param name="ContentHash">The SHA-256 of its file, where that was asked for and the file could be read; else empty.</param>
public sealed record PictureResult(
    PictureEntry Entry, Exception? Failure, IReadOnlyList<PictureFeature> Features, ReadOnlyMemory<byte> ContentHash);

/// <summary>One output of one picture.</summary>
/// <param name="Name">What <see cref="EncoderTaps"/> calls it, for example "pooler_output".</param>
/// <param name="Shape">Dimensions, outermost first, without the batch.</param>
/// <param name="Values">Row-major.</param>
public sealed record PictureFeature(string Name, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);
