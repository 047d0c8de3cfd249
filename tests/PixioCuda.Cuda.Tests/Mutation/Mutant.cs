namespace PixioCuda.Cuda.Tests;

/// <summary>A device source with one thing taken away.</summary>
/// <param name="File">Its file name.</param>
/// <param name="Start">Where the change begins in the text.</param>
/// <param name="Length">How many characters are replaced.</param>
/// <param name="Replacement">What stands there instead.</param>
/// <param name="Change">What is taken away, in words.</param>
/// <param name="Line">The line without its indentation, as it was.</param>
/// <param name="Number">Tells mutants apart that say the same, from 1.</param>
internal sealed record Mutant(string File, int Start, int Length, string Replacement, string Change, string Line, int Number)
{
    /// <summary>Stays the same when other lines of the file change: the name under which tests/mutants.json knows it.</summary>
    public string Id => $"{File}: {Change} in '{Line}'{(Number == 1 ? "" : $" ({Number})")}";

    /// <summary>The mutated source.</summary>
    public string Apply(string text) => string.Concat(text.AsSpan(0, Start), Replacement, text.AsSpan(Start + Length));
}
