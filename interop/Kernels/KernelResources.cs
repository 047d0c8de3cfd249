using System.Globalization;
using System.Text.RegularExpressions;

namespace PixioCuda.Interop;

/// <summary>What ptxas says of a kernel under <c>-v</c>.</summary>
/// <param name="Registers">Registers of each thread.</param>
/// <param name="StackBytes">Stack of each thread, in bytes: the largest of the kernel and the functions in it that were not
/// inlined.</param>
/// <param name="SpillStoreBytes">Bytes of registers stored to memory for want of room, in all functions together.</param>
/// <param name="SpillLoadBytes">Bytes of them loaded again.</param>
/// <param name="StaticSharedBytes">Shared memory that the kernel declares with a size.</param>
/// <param name="Barriers">Named barriers, number 0 included.</param>
/// <param name="Advisories">The lines in which ptxas says that it could not do as told (C75xx): wgmma serialised, setmaxnreg
/// ignored.</param>
internal sealed partial record KernelResources(
    int Registers, int StackBytes, int SpillStoreBytes, int SpillLoadBytes, int StaticSharedBytes, int Barriers,
    IReadOnlyList<string> Advisories)
{
    /// <summary>Reads them from a log of one kernel.</summary>
    /// <exception cref="FormatException">The log says nothing of registers, as that of a compiler without ptxas.</exception>
    public static KernelResources Parse(string log)
    {
        Match used = UsedLine().Match(log);
        if (!used.Success)
            throw new FormatException("The compiler's log has no line 'Used N registers', which ptxas writes under -v:\n" + log);
        MatchCollection stacks = StackLine().Matches(log);
        return new KernelResources(
            Number(used.Groups["registers"]),
            stacks.Count == 0 ? 0 : stacks.Max(match => Number(match.Groups["stack"])),
            stacks.Sum(match => Number(match.Groups["stores"])),
            stacks.Sum(match => Number(match.Groups["loads"])),
            Number(SharedBytes().Match(used.Value).Groups[1]),
            Number(BarrierCount().Match(used.Value).Groups[1]),
            [.. log.Split('\n').Where(line => Advisory().IsMatch(line)).Select(line => line.Trim())]);
    }

    private static int Number(Group group)
        => group.Success ? int.Parse(group.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"Used (?<registers>\d+) registers.*")]
    private static partial Regex UsedLine();

    [GeneratedRegex(@"(?<stack>\d+) bytes stack frame, (?<stores>\d+) bytes spill stores, (?<loads>\d+) bytes spill loads")]
    private static partial Regex StackLine();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex SharedBytes();

    [GeneratedRegex(@"used (\d+) barriers")]
    private static partial Regex BarrierCount();

    [GeneratedRegex(@"\(C75\d\d\)")]
    private static partial Regex Advisory();
}
