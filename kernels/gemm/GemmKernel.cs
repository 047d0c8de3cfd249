using System.Runtime.InteropServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The argument struct of gemm.cu and gemm_f32.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GemmArgs
{
    public DevicePointer<byte> A;
    public DevicePointer<byte> W;
    public DevicePointer<float> Bias;
    public DevicePointer<byte> Residual;
    public DevicePointer<byte> C;
    public GemmRowsArgs ARows;
    public GemmRowsArgs ResidualRows;
    public GemmRowsArgs CRows;
    public uint M;
    public uint N;
    public uint K;
    public uint Band;
}

/// <summary>A matrix product on a device, for one shape. The bits of a row of C depend neither on the other rows nor on how many there are.</summary>
internal sealed class GemmKernel
{
    private readonly GpuDevice _device;
    private readonly LoadedKernel _kernel;
    private readonly GemmShape _shape;
    private readonly LaunchConfig _launch;
    private readonly uint _band;

    /// <summary>Compiles or fetches the kernel.</summary>
    /// <param name="device">Where it will run.</param>
    /// <param name="shape">What it will be given.</param>
    /// <param name="config">Null for the one of <see cref="SelectConfig"/>.</param>
    /// <param name="fast">Whether its bits may depend on how many rows there are.</param>
    /// <exception cref="ArgumentException">The shape is none of a matrix product.</exception>
    /// <exception cref="NotSupportedException">There is no kernel for it.</exception>
    public GemmKernel(GpuDevice device, GemmShape shape, GemmConfig? config = null, bool fast = false)
    {
        _device = device;
        _shape = shape;
        var limits = DeviceLimits.Of(device);
        Config = config ?? GemmTuning.Chosen(shape, limits, fast) ?? SelectConfig(shape, limits, fast);
        _band = (uint)Config.Band(shape, device.Info.SmCount);
        _kernel = device.LoadKernel(Config.Source);
        _launch = Config switch
        {
            WarpgroupGemmConfig warpgroups => LaunchOf(warpgroups),
            FewRowsGemmConfig fewRows => LaunchOf(fewRows),
            _ => LaunchOf(Config),
        };
    }

    public GemmConfig Config { get; }

    /// <summary>The configuration that is expected to be fastest: on sm_90, where it can be, of <see cref="WarpgroupGemmTiles"/> and
    /// <see cref="FewRowsGemmTiles"/>, with <paramref name="fast"/> also of those that share K, whose bits are others, and among equals by
    /// <see cref="Sm90GemmChoice"/>; else of <see cref="GemmTiles"/>, of which within a tenth of the fastest, which the estimate cannot tell
    /// apart, the one with the largest tile, since that asks least of the caches.</summary>
    /// <exception cref="ArgumentException">The shape is none of a matrix product.</exception>
    /// <exception cref="NotSupportedException">There is no kernel for it.</exception>
    public static GemmConfig SelectConfig(GemmShape shape, DeviceLimits device, bool fast = false)
    {
        shape.Validate();
        if (WarpgroupGemmTiles.Allows(shape, device))
            return Sm90GemmChoice.Of(shape, Estimates(shape, device, fast)).Config;
        if (shape.Folding != GemmFolding.None)
            throw new NotSupportedException($"LayerNorm is folded into products of compute capability 9.0 alone, and {shape} is none.");
        (GemmConfig Config, double Cycles)[] candidates = [.. GemmTiles.Candidates(shape, device)];
        if (candidates.Length == 0)
            throw new NotSupportedException($"No tile of {shape} fits into {device.SharedBytesPerBlock} bytes of shared memory.");
        double limit = 1.1 * candidates.Min(candidate => candidate.Cycles);
        return candidates.Where(candidate => candidate.Cycles <= limit).MaxBy(candidate => candidate.Config.BlockM * candidate.Config.BlockN).Config;
    }

    /// <summary>What a product can be computed by on sm_90a, with what each is expected to take; none where it goes another
    /// way.</summary>
    public static IEnumerable<GemmEstimate> Estimates(GemmShape shape, DeviceLimits device, bool fast)
        => !WarpgroupGemmTiles.Allows(shape, device) ? []
            : WarpgroupGemmTiles.Candidates(shape, device).Concat(FewRowsGemmTiles.Candidates(shape, device, splitsK: fast));

    /// <summary>Launches it.</summary>
    /// <param name="stream">Whose work this becomes.</param>
    /// <param name="a">[M, K] of the shape's element type.</param>
    /// <param name="w">[N, K] of the shape's element type.</param>
    /// <param name="bias">[N]; null where the epilogue has none.</param>
    /// <param name="residual">[M, N] of the residual's type, null where the epilogue has none. May be <paramref name="c"/>.</param>
    /// <param name="c">[M, N] of the output's type.</param>
    /// <param name="folding">What the shape's folding reads or writes.</param>
    /// <exception cref="ArgumentException">A matrix is missing, or not aligned as the configuration counts on.</exception>
    public void Launch(
        GpuStream stream, DevicePointer<byte> a, DevicePointer<byte> w, DevicePointer<float> bias, DevicePointer<byte> residual,
        DevicePointer<byte> c, GemmFoldingOperands folding = default)
    {
        Require("A", a, Config.CopyBytes);
        Require("W", w, Config.CopyBytes);
        Require("C", c, Config.Vector * _shape.Output.ByteCount());
        if (_shape.HasBias)
            Require("the bias", bias.As<byte>(), Math.Min(16, Config.Vector * sizeof(float)));
        if (_shape.HasResidual)
            Require("the residual", residual, Config.Vector * _shape.Residual.ByteCount());
        // By what is there, kernels know what to do.
        if (_shape.Folding == GemmFolding.None)
            folding = default;
        else
            Require("the moments", folding.Moments, GemmFoldingOperands.MomentByteCount);
        if (_shape.Folding == GemmFolding.Applies)
            Require("the sums of W's rows", folding.RowSums.As<byte>(), 2 * sizeof(float));
        if (_shape.Folding == GemmFolding.Prepares)
            Require("the copy of C", folding.Copy, 4 * _shape.Element.ByteCount());
        if (Config is WarpgroupGemmConfig warpgroups)
        {
            _device.Launch(stream, _kernel, _launch, new GemmSm90Args
            {
                A = MapOf(a, _shape.M, _shape.A.Pitch, warpgroups.BlockM / warpgroups.ClusterN),
                W = MapOf(w, _shape.N, _shape.K, warpgroups.BlockN / warpgroups.PartsN),
                Bias = bias,
                Residual = residual.As<float>(),
                C = c,
                M = (uint)_shape.M,
                N = (uint)_shape.N,
                K = (uint)_shape.K,
                Band = _band,
                Moments = folding.Moments,
                RowSums = folding.RowSums,
                Copy = folding.Copy,
                Eps = folding.Eps,
            });
            return;
        }

        if (Config is FewRowsGemmConfig fewRows)
        {
            _device.Launch(stream, _kernel, _launch, new GemmFewSm90Args
            {
                A = MapOf(a, _shape.M, _shape.A.Pitch, fewRows.PartsM.Rows),
                ALast = MapOf(a, _shape.M, _shape.A.Pitch, fewRows.PartsM.Last),
                W = MapOf(w, _shape.N, _shape.K, fewRows.PartsN.Rows),
                WLast = MapOf(w, _shape.N, _shape.K, fewRows.PartsN.Last),
                Bias = bias,
                Residual = residual.As<float>(),
                C = c,
                M = (uint)_shape.M,
                N = (uint)_shape.N,
                K = (uint)_shape.K,
                Eps = folding.Eps,
                Moments = folding.Moments,
                RowSums = folding.RowSums,
                Copy = folding.Copy,
            });
            return;
        }

        GemmArgs args = new()
        {
            A = a,
            W = w,
            Bias = bias,
            Residual = residual,
            C = c,
            ARows = new(_shape.A, _shape.M),
            ResidualRows = new(_shape.R, _shape.M),
            CRows = new(_shape.C, _shape.M),
            M = (uint)_shape.M,
            N = (uint)_shape.N,
            K = (uint)_shape.K,
            Band = _band,
        };
        _device.Launch(stream, _kernel, _launch, args);
    }

    private LaunchConfig LaunchOf(GemmConfig config)
    {
        (long rows, long columns) = config.Tiles(_shape);
        return new LaunchConfig(checked((int)(rows * columns)), config.Threads, SharedBytes: config.SharedBytes);
    }

    /// <summary>As many clusters as run at a time: one more would begin when the others have ended, and take as long as they did.</summary>
    private LaunchConfig LaunchOf(WarpgroupGemmConfig config)
    {
        LaunchConfig one = OneCluster(config, config.Cluster);
        int resident = ResidentClusters(config, one, "-1x1");
        return one with { Grid = config.Clusters(_shape, resident) * config.Cluster };
    }

    /// <summary>A block for every tile and every part of K.</summary>
    private LaunchConfig LaunchOf(FewRowsGemmConfig config)
    {
        LaunchConfig one = OneCluster(config, config.Cluster);
        _ = ResidentClusters(config, one, "-1x1x1");
        return one with { Grid = checked((int)config.Clusters(_shape) * config.Cluster) };
    }

    private static LaunchConfig OneCluster(GemmConfig config, int blocks)
        => new(blocks, config.Threads, blocks > 1 ? (Dim3)blocks : null, config.SharedBytes, Programmatic: true);

    private int ResidentClusters(GemmConfig config, LaunchConfig one, string nameOfNoCluster)
    {
        int resident = one.Cluster is null ? _device.Info.SmCount : _device.MaxActiveClusters(_kernel, one);
        return resident > 0 ? resident
            : throw new NotSupportedException(
                $"{_device.Info.Title} has no room for the clusters of the matrix product {_shape} by {config.Name}: "
                + $"set {GemmTuning.Variable} to a configuration without clusters, one that ends in {nameOfNoCluster}.");
    }

    /// <summary>A matrix of rows along K, in boxes of a slice of some rows.</summary>
    private TensorMap MapOf(DevicePointer<byte> matrix, int rows, int pitch, int boxRows)
        => _device.EncodeTensorMap(
            new TensorMapSpec(
                _shape.Element == ElementType.BF16 ? TensorMapType.BFloat16 : TensorMapType.Float16, matrix.Address, [_shape.K, rows],
                [(long)pitch * _shape.Element.ByteCount()], [WarpgroupGemmConfig.SliceK, boxRows])
            {
                Swizzle = TensorMapSwizzle.Span128,
                // The next slice of a row lies in the same 256 bytes.
                Promotion = TensorMapPromotion.Bytes256,
            });

    private void Require(string name, DevicePointer<byte> pointer, int alignment)
    {
        if (pointer.IsNull)
            throw new ArgumentException($"The matrix product of {_shape} needs {name}, which was left out.");
        if (pointer.Address % (uint)alignment != 0)
        {
            throw new ArgumentException(
                $"In the matrix product of {_shape}, {name} at 0x{pointer.Address:x} is not aligned to {alignment} bytes, as its rows are.");
        }
    }
}
