namespace PixioCuda.Cuda.Tests;

/// <summary>The device sources that a class of kernel tests runs, where they are not all of its kernel's folder: mutants of others are none
/// of its business.</summary>
/// <param name="files">Their file names, ending with .cu.</param>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class RunsSourcesAttribute(params string[] files) : Attribute
{
    public IReadOnlyList<string> Files { get; } = files;
}
