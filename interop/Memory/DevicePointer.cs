using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>An address in a device's memory, of elements of a type: 8 bytes, so that it can stand in a kernel's arguments. It keeps nothing
/// alive; the <see cref="DeviceMemory{T}"/> that it points into does.</summary>
/// <typeparam name="T">The elements.</typeparam>
/// <param name="Address">The address in bytes (CUdeviceptr).</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DevicePointer<T>(ulong Address)
    where T : unmanaged
{
    /// <summary>The pointer that points at nothing, for an argument that is left out.</summary>
    public static DevicePointer<T> Null => default;

    /// <summary>Whether it points at nothing.</summary>
    public bool IsNull => Address == 0;

    /// <summary>The pointer some elements further on.</summary>
    /// <param name="elementOffset">How many elements; may be negative.</param>
    public unsafe DevicePointer<T> this[long elementOffset] => new(checked((ulong)((long)Address + (elementOffset * sizeof(T)))));

    /// <summary>The same address for elements of another type.</summary>
    public DevicePointer<TOther> As<TOther>()
        where TOther : unmanaged => new(Address);
}
