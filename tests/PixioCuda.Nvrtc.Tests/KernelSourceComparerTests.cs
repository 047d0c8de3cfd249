using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests;

/// <summary>What counts as the same kernel in a process: all that the compiled code depends on, and nothing else.</summary>
public sealed class KernelSourceComparerTests
{
    [Fact]
    public void Sources_of_the_same_contents_are_one_kernel()
    {
        Assert.True(AreOne(Source(), Source()));
        Assert.Equal(KernelSourceComparer.Instance.GetHashCode(Source()), KernelSourceComparer.Instance.GetHashCode(Source()));
    }

    public static TheoryData<string> Parts => ["name", "text", "include's name", "include's text", "one include more", "define's name", "define's value",
        "order of defines", "one define more", "entry", "arguments"];

    [Theory]
    [MemberData(nameof(Parts))]
    public void Sources_that_differ_in_anything_are_two(string part)
    {
        KernelSource source = Source();
        KernelDefine[] defines = [.. source.Defines];
        KernelSource other = part switch
        {
            "name" => source with { Name = "other.cu" },
            "text" => source with { Text = source.Text + " " },
            "include's name" => source with { Includes = [new("other.cuh", "int a;")] },
            "include's text" => source with { Includes = [new("a.cuh", "int b;")] },
            "one include more" => source with { Includes = [.. source.Includes, new("b.cuh", "")] },
            "define's name" => source with { Defines = [defines[0], new("HEIGHT", "2")] },
            "define's value" => source with { Defines = [defines[0], new("DEPTH", "3")] },
            "order of defines" => source with { Defines = [defines[1], defines[0]] },
            "one define more" => source with { Defines = [.. defines, new("MORE", "1")] },
            "entry" => source with { Entry = "other" },
            "arguments" => source with { ArgsByteCount = 16 },
            _ => throw new ArgumentException(part, nameof(part)),
        };
        Assert.False(AreOne(source, other));
        Assert.False(AreOne(other, source));
    }

    private static bool AreOne(KernelSource one, KernelSource other) => KernelSourceComparer.Instance.Equals(one, other);

    // Made anew each time, down to the text.
    private static KernelSource Source() => new(
        "kernel.cu", new string("#include \"a.cuh\""), [new("a.cuh", "int a;")], [new("WIDTH", "1"), new("DEPTH", "2")], "kernel", 8);
}
