namespace PixioCuda.Bench.Suites.Cuda;

/// <summary>The size at which kernels are measured: ViT-H's, or with PIXIO_BENCH_SMOKE=1 one that shows only that they run.</summary>
internal static class BenchSize
{
    public static bool IsSmoke { get; } = Environment.GetEnvironmentVariable("PIXIO_BENCH_SMOKE") == "1";

    public static int Hidden { get; } = IsSmoke ? 64 : 1280;

    public static int Heads { get; } = IsSmoke ? 4 : 16;

    public static int Mlp => 4 * Hidden;

    /// <summary>Patches along one side of a picture.</summary>
    public static int Grid { get; } = IsSmoke ? 2 : 16;

    public static int Patches => Grid * Grid;

    public const int ClassTokens = 8;

    public static int Tokens => ClassTokens + Patches;

    /// <summary>Pixels along one side of a patch.</summary>
    public const int Patch = 16;
}
