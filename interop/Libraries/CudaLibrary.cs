namespace PixioCuda.Interop;

/// <summary>A loaded library. It stays loaded until the process ends.</summary>
/// <param name="Kind">Which one.</param>
/// <param name="Handle">What the operating system calls it.</param>
/// <param name="Path">The file, or its bare name where the dynamic linker found it.</param>
/// <param name="Version">Its version: major and minor.</param>
internal sealed record CudaLibrary(CudaLibraryKind Kind, nint Handle, string Path, Version Version);
