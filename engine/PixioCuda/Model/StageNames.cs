using System.Globalization;

namespace PixioCuda;

/// <summary>The names of a backbone's stages: <c>stem</c> is what enters the first block, <c>stage k</c> what leaves block k.</summary>
internal static class StageNames
{
    private const string Stem = "stem";
    private const string Prefix = "stage";

    public static string NameOf(int stage) => stage == 0 ? Stem : string.Create(CultureInfo.InvariantCulture, $"{Prefix}{stage}");

    public static bool TryParse(string name, int layers, out int stage)
    {
        stage = 0;
        if (name == Stem)
            return true;
        return name.StartsWith(Prefix, StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out stage)
            && stage >= 1 && stage <= layers && NameOf(stage) == name;
    }

    public static string Unknown(string name, int layers) =>
        $"There is no stage '{name}': the stages of this model are {Stem}, {Prefix}1 to {Prefix}{layers}.";
}
