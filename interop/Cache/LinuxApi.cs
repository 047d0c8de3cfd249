using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>What .NET does not tell about a file: its owner.</summary>
internal static unsafe partial class LinuxApi
{
    /// <summary>AT_FDCWD: a path that is not absolute counts from the working directory.</summary>
    public const int CurrentDirectory = -100;

    /// <summary>STATX_BASIC_STATS.</summary>
    public const uint BasicStats = 0x7FF;

    [LibraryImport("libc")]
    public static partial uint geteuid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    public static partial int statx(int directory, string path, int flags, uint mask, Statx* status);

    /// <summary>struct statx: the same 256 bytes on every architecture, unlike struct stat.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Statx
    {
        [FieldOffset(20)]
        public uint UserId;

        [FieldOffset(28)]
        public ushort Mode;
    }
}
