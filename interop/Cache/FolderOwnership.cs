using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>Who owns a folder and who may write to it, as Linux says.</summary>
/// <param name="OwnerId">The owner's user number.</param>
/// <param name="Mode">Its permissions.</param>
internal readonly record struct FolderOwnership(uint OwnerId, UnixFileMode Mode)
{
    /// <summary>The user number that this process acts under.</summary>
    public static uint CurrentUserId => LinuxApi.geteuid();

    /// <summary>Asks for a folder, following links.</summary>
    /// <exception cref="IOException">It cannot be asked for.</exception>
    public static unsafe FolderOwnership Of(string folder)
    {
        LinuxApi.Statx status;
        if (LinuxApi.statx(LinuxApi.CurrentDirectory, folder, 0, LinuxApi.BasicStats, &status) != 0)
            throw new IOException($"The owner of '{folder}' cannot be told: {Marshal.GetLastPInvokeErrorMessage()}.");
        return new FolderOwnership(status.UserId, (UnixFileMode)(status.Mode & 0xFFF));
    }

    /// <summary>Why code in the folder is not to be trusted, or null. The folder holds machine code that will run with this user's
    /// data.</summary>
    /// <param name="currentUserId">This process's user.</param>
    public string? Objection(uint currentUserId)
    {
        // The superuser may write everywhere as it is, and is the one who installs a cache that is shipped with a program.
        if (OwnerId != currentUserId && OwnerId != 0)
            return $"it belongs to another user (number {OwnerId})";
        return (Mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) == 0
            ? null : $"others than its owner may write to it (mode {Convert.ToString((int)Mode, 8)}; chmod go-w mends that)";
    }
}
