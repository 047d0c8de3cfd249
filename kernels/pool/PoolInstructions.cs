namespace PixioCuda.Kernels;

/// <summary>The accesses that the PTX of a copying kernel must contain.</summary>
internal static class PoolInstructions
{
    /// <summary>Those of vectors of some elements: 16 bytes go as four words, where a vector is that long.</summary>
    public static IReadOnlyList<string> Of(ElementType input, ElementType output, int vector)
    {
        List<string> instructions = [];
        if (vector * input.ByteCount() == 16)
            instructions.Add("ld.global.v4");
        if (vector * output.ByteCount() == 16)
            instructions.Add("st.global.v4");
        return instructions;
    }
}
