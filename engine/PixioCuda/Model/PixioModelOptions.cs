namespace PixioCuda;

/// <summary>How a model is loaded.</summary>
public sealed record PixioModelOptions
{
    /// <summary>"auto" or "cpu". With "auto", <see cref="PixioModel.Device"/> says which device was taken and why.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>How many threads the CPU backend uses, the calling one included; null for one on every core that the process may use.</summary>
    public int? Threads { get; init; }

    /// <summary>The width of the vectors that the CPU kernels use (512, 256 or 128); null for the widest of this machine. For tests.</summary>
    internal int? VectorBits { get; init; }
}
