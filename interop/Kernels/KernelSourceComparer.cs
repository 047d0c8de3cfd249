using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Interop;

/// <summary>Whether two sources are one kernel in one configuration. Texts and lists of includes are mostly the same objects, so that this
/// takes next to no time.</summary>
internal sealed class KernelSourceComparer : IEqualityComparer<KernelSource>
{
    private KernelSourceComparer()
    {
    }

    /// <summary>The only one.</summary>
    public static KernelSourceComparer Instance { get; } = new();

    public bool Equals(KernelSource? x, KernelSource? y)
        => ReferenceEquals(x, y)
            || (x is not null && y is not null && x.Entry == y.Entry && x.Name == y.Name && x.ArgsByteCount == y.ArgsByteCount
                && AreEqual(x.Defines, y.Defines) && x.Text == y.Text && AreEqual(x.Includes, y.Includes));

    public int GetHashCode([DisallowNull] KernelSource obj)
    {
        int hash = obj.Entry.GetHashCode(StringComparison.Ordinal);
        foreach (KernelDefine define in obj.Defines)
            hash = (hash * 31) + define.Value.GetHashCode(StringComparison.Ordinal);
        return hash;
    }

    private static bool AreEqual<T>(IReadOnlyList<T> one, IReadOnlyList<T> other)
        where T : class
    {
        if (ReferenceEquals(one, other))
            return true;
        if (one.Count != other.Count)
            return false;
        for (int i = 0; i < one.Count; i++)
        {
            if (!one[i].Equals(other[i]))
                return false;
        }

        return true;
    }
}
