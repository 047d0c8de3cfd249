using PixioCuda.Interop;
using Xunit;

namespace PixioCuda.Nvrtc.Tests.Cache;

public sealed class KernelKeyTests
{
    private static readonly KernelSource Source = new(
        "gemm.cu", "#include \"mma.cuh\"\nextern \"C\" __global__ void gemm(Args a) {}",
        [new KernelInclude("mma.cuh", "  #  include \"types.cuh\"\nint mma;"), new KernelInclude("types.cuh", "int types;"),
            new KernelInclude("unused.cuh", "int unused;")],
        [new KernelDefine("TILE_M", "128"), new KernelDefine("TILE_N", "64")], "gemm", 64);

    private static readonly string Key = Of(Source);

    [Fact]
    public void The_same_kernel_has_the_same_key_on_every_machine()
    {
        // Computed by another program; a change of the key's recipe shows here: caches that were shipped are then not found.
        Assert.Equal("27ce4b7cf8a0e046dc03875103b76993430175ae583ab3518ff4d14e9c94c09c", Key);
        Assert.Equal(Key, Of(Source with { Includes = [.. Source.Includes.Reverse()] }));
    }

    [Fact]
    public void Each_ingredient_changes_the_key()
    {
        string[] keys =
        [
            Key,
            Of(Source with { Text = Source.Text + " " }),
            Of(Source with { Name = "gemm2.cu" }),
            Of(Source with { Entry = "gemm2" }),
            Of(With("mma.cuh", "#include \"types.cuh\"\nint mma2;")),
            Of(With("types.cuh", "int types2;")),
            Of(Source with { Includes = [Source.Includes[0]] }),
            Of(Source with { Defines = [Source.Defines[0]] }),
            Of(Source with { Defines = [Source.Defines[0], new KernelDefine("TILE_N", "65")] }),
            Of(Source with { Defines = [Source.Defines[0], new KernelDefine("TILE_K", "64")] }),
            // The same characters, cut elsewhere.
            Of(Source with { Defines = [Source.Defines[0], new KernelDefine("TILE_N6", "4")] }),
            Of(Source with { Defines = [.. Source.Defines.Reverse()] }),
            KernelKey.Of(Source, GpuArchitecture.Sm80).Hex,
            KernelKey.Of(Source, new GpuArchitecture(9, 0)).Hex,
        ];
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    [Fact]
    public void What_a_kernel_cannot_include_does_not_change_its_key()
    {
        Assert.Equal(Key, Of(With("unused.cuh", "int other;")));
        Assert.Equal(Key, Of(Source with { Includes = [Source.Includes[0], Source.Includes[1]] }));
        Assert.Equal(["mma.cuh", "types.cuh"], KernelIncludes.Reachable(Source).Select(include => include.Name));
    }

    [Fact]
    public void Includes_that_go_in_a_circle_end()
        => Assert.Equal(
            ["a.cuh", "b.cuh"],
            KernelIncludes.Reachable(Source with
            {
                Text = "#include <a.cuh>",
                Includes = [new KernelInclude("a.cuh", "#include \"b.cuh\""), new KernelInclude("b.cuh", "#include \"a.cuh\"")],
            }).Select(include => include.Name));

    [Fact]
    public void Two_files_of_one_name_are_refused()
        => Assert.Throws<ArgumentException>(() => Of(Source with { Includes = [Source.Includes[0], Source.Includes[0]] }));

    private static string Of(KernelSource source) => KernelKey.Of(source, GpuArchitecture.Sm90A).Hex;

    private static KernelSource With(string include, string text) => Source with
    {
        Includes = [.. Source.Includes.Select(given => given.Name == include ? given with { Text = text } : given)],
    };
}
