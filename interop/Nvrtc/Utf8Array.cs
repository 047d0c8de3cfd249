using System.Runtime.InteropServices;

namespace PixioCuda.Interop;

/// <summary>An array of zero-terminated UTF-8 texts (<c>const char**</c>) in native memory.</summary>
internal sealed unsafe class Utf8Array : IDisposable
{
    private readonly int _count;
    private byte** _items;

    public Utf8Array(IReadOnlyList<string> texts)
    {
        _items = (byte**)NativeMemory.AllocZeroed((nuint)Math.Max(1, texts.Count), (nuint)sizeof(byte*));
        _count = texts.Count;
        for (int index = 0; index < texts.Count; index++)
            _items[index] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[index]);
    }

    ~Utf8Array() => Free();

    /// <summary>The array; valid until this is disposed.</summary>
    public byte** Items => _items;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_items == null)
            return;
        for (int index = 0; index < _count; index++)
            Marshal.FreeCoTaskMem((nint)_items[index]);
        NativeMemory.Free(_items);
        _items = null;
    }
}
