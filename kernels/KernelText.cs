using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using PixioCuda.Interop;

namespace PixioCuda.Kernels;

/// <summary>The device sources that travel in this assembly.</summary>
internal static class KernelText
{
    private static readonly ConcurrentDictionary<string, string> Files = new();
    private static readonly ConcurrentDictionary<string, IReadOnlyList<KernelInclude>> Includes = new();
    private static readonly string[] HeaderNames =
        [.. typeof(KernelText).Assembly.GetManifestResourceNames().Where(name => name.EndsWith(".cuh", StringComparison.Ordinal))];

    /// <summary>A kernel's source with what it includes.</summary>
    /// <typeparam name="TArgs">The host's mirror of its argument struct.</typeparam>
    /// <param name="entry">Its entry; the file has the same name.</param>
    /// <param name="defines">Its tunables.</param>
    public static KernelSource Source<TArgs>(string entry, params ReadOnlySpan<KernelDefine> defines)
        where TArgs : unmanaged
    {
        string file = entry + ".cu";
        return SourceOf<TArgs>(file, entry, defines);
    }

    /// <summary>As <see cref="Source{TArgs}"/>, for an entry in a file of another name.</summary>
    public static KernelSource SourceOf<TArgs>(string file, string entry, params ReadOnlySpan<KernelDefine> defines)
        where TArgs : unmanaged
        => new(file, Read(file), Includes.GetOrAdd(file, Reachable), defines.ToArray(), entry, Unsafe.SizeOf<TArgs>());

    /// <summary>A device source by its file name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    public static string Read(string file) => Files.GetOrAdd(file, static name =>
    {
        using Stream stream = typeof(KernelText).Assembly.GetManifestResourceStream(name)
            ?? throw new ArgumentException($"There is no device source '{name}' in {typeof(KernelText).Assembly.GetName().Name}.", nameof(file));
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    });

    /// <summary>Puts another text in a source's place, for this process: for the tests that take barriers away. Nothing in the product
    /// calls it.</summary>
    internal static void Replace(string file, string text)
    {
        Files[file] = text;
        Includes.Clear();
    }

    private static IReadOnlyList<KernelInclude> Reachable(string file)
    {
        KernelInclude[] headers = [.. HeaderNames.Select(name => new KernelInclude(name, Read(name)))];
        return KernelIncludes.Reachable(new KernelSource(file, Read(file), headers, [], "", 0));
    }
}
