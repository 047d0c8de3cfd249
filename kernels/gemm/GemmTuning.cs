namespace PixioCuda.Kernels;

/// <summary>The choice of gemm_sm90.cu's configuration by hand, for tuning: the environment variable PIXIO_GEMM_CONFIG names it.</summary>
internal static class GemmTuning
{
    public const string Variable = "PIXIO_GEMM_CONFIG";

    /// <summary>The configuration that the variable names for a product, as <see cref="WarpgroupGemmConfig.Name"/>; null where it is not
    /// set, or where the product does not go this way. Other configurations give the same bits.</summary>
    /// <exception cref="ArgumentException">There is no configuration of that name for the product.</exception>
    public static WarpgroupGemmConfig? Chosen(GemmShape shape, DeviceLimits device)
    {
        string? name = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(name) || !WarpgroupGemmTiles.Allows(shape, device))
            return null;
        WarpgroupGemmConfig[] configs = [.. WarpgroupGemmTiles.Candidates(shape, device).Select(estimate => estimate.Config)];
        return Array.Find(configs, config => config.Name == name)
            ?? throw new ArgumentException(
                $"{Variable} asks for the configuration '{name}', which the matrix product {shape} cannot have; it can have "
                + $"{string.Join(", ", configs.Select(config => config.Name))}.");
    }
}
