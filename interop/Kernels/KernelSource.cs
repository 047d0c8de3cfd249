namespace PixioCuda.Interop;

/// <summary>A file that a kernel's text may include.</summary>
/// <param name="Name">As the text includes it: <c>#include "NAME"</c>.</param>
/// <param name="Text">Its contents.</param>
internal sealed record KernelInclude(string Name, string Text);

/// <summary>A macro for the compiler.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Value">What stands for it.</param>
internal sealed record KernelDefine(string Name, string Value);

/// <summary>One kernel in one configuration, in CUDA C++.</summary>
/// <param name="Name">The source's file name, which errors show: "layer_norm.cu".</param>
/// <param name="Text">The source.</param>
/// <param name="Includes">What it may include; no other file is read.</param>
/// <param name="Defines">The configuration.</param>
/// <param name="Entry">The kernel's <c>extern "C"</c> name.</param>
/// <param name="ArgsByteCount">The size of its one argument, a struct.</param>
internal sealed record KernelSource(
    string Name, string Text, IReadOnlyList<KernelInclude> Includes, IReadOnlyList<KernelDefine> Defines, string Entry, int ArgsByteCount)
{
    /// <summary>The kernel and its configuration in a sentence: "layer_norm (WIDTH=1280)".</summary>
    public string Title
        => Defines.Count == 0 ? Entry : $"{Entry} ({string.Join(", ", Defines.Select(define => $"{define.Name}={define.Value}"))})";
}
