namespace PixioCuda.Kernels;

/// <summary>What a configuration is expected to take for one product on sm_90a.</summary>
/// <param name="Config">The configuration.</param>
/// <param name="Tiles">Tiles of the product, counted in clusters.</param>
/// <param name="Waves">Tiles that the busiest multiprocessor goes through.</param>
/// <param name="MainloopCycles">Of one tile's products.</param>
/// <param name="EpilogueCycles">Of one tile's way out.</param>
/// <param name="Cycles">Of the whole launch.</param>
internal sealed record GemmEstimate(
    GemmConfig Config, long Tiles, long Waves, double MainloopCycles, double EpilogueCycles, double Cycles);
