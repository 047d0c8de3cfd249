namespace PixioCuda.Interop;

/// <summary>How a kernel is launched.</summary>
/// <param name="Grid">Blocks.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="Cluster">Blocks of a cluster (sm_90 and later); the grid is a multiple of it.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block, in bytes.</param>
/// <param name="Programmatic">Whether the kernel may begin before the one in front of it on the stream has ended: it then waits itself
/// (griddepcontrol.wait) before it touches what that one writes. Where the device or the driver cannot do that, it begins behind it.</param>
internal readonly record struct LaunchConfig(Dim3 Grid, Dim3 Block, Dim3? Cluster = null, int SharedBytes = 0, bool Programmatic = false);
