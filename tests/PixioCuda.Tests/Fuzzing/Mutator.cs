namespace PixioCuda.Tests.Fuzzing;

/// <summary>Changes a file in some way. Gives back a new array, or the one that it was given, changed.</summary>
internal delegate byte[] Edit(byte[] file, Random random);

/// <summary>Damages files: a few edits each, chosen by a seeded generator, so that the same seed gives the same mutants
/// everywhere.</summary>
internal sealed class Mutator(params IReadOnlyList<Edit> edits)
{
    private const int MostEdits = 3;

    /// <summary>Makes a mutant right again in what would otherwise hide the damage (a checksum, the length of a header), most of the
    /// time.</summary>
    public Edit? Mend { get; init; }

    public byte[] Mutate(byte[] original, Random random)
    {
        byte[] mutant = [.. original];
        for (int count = random.Next(1, MostEdits + 1); count > 0 && mutant.Length > 0; count--)
            mutant = edits[random.Next(edits.Count)](mutant, random);
        return Mend is not null && random.Next(4) != 0 ? Mend(mutant, random) : mutant;
    }
}
