namespace PixioCuda.Kernels;

/// <summary>What a launch moves and computes, as its kernel's header declares it.</summary>
/// <param name="GlobalReadBytes">Bytes that the warps ask of global memory, before any cache: a tile that n blocks read counts n times.</param>
/// <param name="GlobalWriteBytes">Bytes that they write.</param>
/// <param name="Flops">Floating-point operations, 2 for each multiply-add.</param>
/// <param name="DramBytes">Bytes that have to cross the device's memory bus when the second-level cache keeps what is read again.</param>
internal readonly record struct KernelWork(long GlobalReadBytes, long GlobalWriteBytes, double Flops, long DramBytes);
