namespace PixioCuda.Weights;

/// <summary>What a safetensors header says of one tensor.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="DTypeName">The element type in the format's words.</param>
/// <param name="Shape">The dimensions, outermost first.</param>
/// <param name="Begin">The first byte, counted from the end of the header.</param>
/// <param name="End">One past the last byte, counted from the end of the header.</param>
internal sealed record SafetensorsEntry(string Name, string DTypeName, long[] Shape, long Begin, long End);
