namespace PixioCuda.Kernels;

/// <summary>The choice of the configuration of products on sm_90a by hand, for tuning: the environment variable PIXIO_GEMM_CONFIG names it.</summary>
internal static class GemmTuning
{
    public const string Variable = "PIXIO_GEMM_CONFIG";

    /// <summary>The configuration that the variable names for a product, as <see cref="GemmConfig.Name"/>; null where it is not set, or
    /// where the product does not go this way. With <paramref name="fast"/> those that share K can be named too; all others give the
    /// same bits.</summary>
    /// <exception cref="ArgumentException">There is no configuration of that name for the product.</exception>
    public static GemmConfig? Chosen(GemmShape shape, DeviceLimits device, bool fast = false)
    {
        string? name = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(name) || !WarpgroupGemmTiles.Allows(shape, device))
            return null;
        GemmConfig[] configs = [.. GemmKernel.Estimates(shape, device, fast).Select(estimate => estimate.Config)];
        return Array.Find(configs, config => config.Name == name)
            ?? throw new ArgumentException(
                $"{Variable} asks for the configuration '{name}', which the matrix product {shape} cannot have; it can have "
                + $"{string.Join(", ", configs.Select(config => config.Name))}.");
    }
}
