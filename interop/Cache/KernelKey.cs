using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace PixioCuda.Interop;

/// <summary>
/// What a compiled kernel is a function of, but for the compiler's version: SHA-256 of the source, the files it can include, the defines,
/// the entry, the architecture and the fixed options. No path, no time, no machine. It can be had without a compiler.
/// </summary>
/// <param name="Hex">64 hexadecimal digits.</param>
internal readonly record struct KernelKey(string Hex)
{
    /// <summary>The key of a kernel.</summary>
    public static KernelKey Of(KernelSource source, GpuArchitecture architecture)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, "pixiocuda kernel 1");
        Append(hash, architecture.Name);
        Append(hash, source.Entry);
        Append(hash, source.Name);
        Append(hash, source.Text);
        AppendList(hash, KernelOptions.Fixed);
        AppendList(hash, [.. KernelIncludes.Reachable(source).SelectMany(include => new[] { include.Name, include.Text })]);
        // In their order: a later define of the same name would replace an earlier one.
        AppendList(hash, [.. source.Defines.SelectMany(define => new[] { define.Name, define.Value })]);
        return new KernelKey(Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    public override string ToString() => Hex;

    private static void AppendList(IncrementalHash hash, IReadOnlyList<string> texts)
    {
        AppendNumber(hash, texts.Count);
        foreach (string text in texts)
            Append(hash, text);
    }

    // Each text behind its length, so that no two lists of texts run together into the same bytes.
    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        AppendNumber(hash, bytes.Length);
        hash.AppendData(bytes);
    }

    private static void AppendNumber(IncrementalHash hash, int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        hash.AppendData(bytes);
    }
}
