using System.Text.RegularExpressions;

namespace PixioCuda.Cuda.Tests;

/// <summary>Finds what can be taken away in a device source: each barrier, arrival, wait, fence and commit, and each comparison that masks
/// a tail; and what can be confused: the parity of an mbarrier's phase, its arrivals, and a swizzle.</summary>
internal static partial class MutantFinder
{
    /// <summary>All mutants of a source, in the order of its text.</summary>
    public static IReadOnlyList<Mutant> Find(string file, string text)
    {
        List<Mutant> found = [];
        Dictionary<string, int> numbers = [];
        string code = Comments().Replace(text, match => new string(' ', match.Length));
        foreach (Match match in Statements().Matches(code))
        {
            // Where they are defined they are no calls.
            if (IsDefinition(code, match.Index))
                continue;
            Add(match.Index, match.Length, ";", $"no {match.Value}");
            Group count = match.Groups["count"];
            if (count.Success)
                Add(count.Index, count.Length, $"({count.Value}) + 1", $"one group more than {match.Value}");
        }

        foreach (Match match in Parities().Matches(code).Where(match => !IsDefinition(code, match.Index)))
        {
            Group parity = match.Groups["parity"];
            Add(parity.Index, parity.Length, $"({parity.Value}) ^ 1", $"the other phase in {match.Value}");
        }

        // With one less, a stage is written to again while someone still reads it; with none there is no mbarrier.
        foreach (Match match in Arrivals().Matches(code).Where(match => !IsDefinition(code, match.Index) && match.Groups["arrivals"].Value != "1"))
        {
            Group arrivals = match.Groups["arrivals"];
            Add(arrivals.Index, arrivals.Length, $"({arrivals.Value}) - 1", $"one arrival less in {match.Value}");
        }

        foreach (Match match in Swizzles().Matches(code))
        {
            string other = match.Value.EndsWith("k64", StringComparison.Ordinal) ? "Swizzle::k128" : "Swizzle::k64";
            Add(match.Index, match.Length, other, $"{other} for {match.Value}");
        }

        foreach ((int start, int length) in Conditions(code).SelectMany(condition => Conjuncts(code, condition.Start, condition.Length)))
        {
            string conjunct = code.Substring(start, length);
            Match comparison = Comparison().Match(conjunct);
            if (comparison.Success && !conjunct.Contains("||", StringComparison.Ordinal))
                Add(start, length, comparison.Value.Contains('<', StringComparison.Ordinal) ? "true" : "false", $"no '{conjunct}'");
        }

        return [.. found.OrderBy(mutant => mutant.Start).ThenBy(mutant => mutant.Length)];

        void Add(int start, int length, string replacement, string change)
        {
            int begin = text.LastIndexOf('\n', start) + 1, end = text.IndexOf('\n', start);
            string line = text[begin..(end < 0 ? text.Length : end)].Trim();
            int number = numbers[change + line] = numbers.GetValueOrDefault(change + line) + 1;
            found.Add(new Mutant(file, start, length, replacement, change, line, number));
        }
    }

    private static bool IsDefinition(string code, int start)
        => code[(code.LastIndexOf('\n', start) + 1)..start].Contains("DEVICE", StringComparison.Ordinal);

    // What stands in "if (..)", in "bool name = ..;" and before "? .. :".
    private static IEnumerable<(int Start, int Length)> Conditions(string code)
    {
        foreach (Match match in If().Matches(code))
        {
            int open = match.Index + match.Length - 1, close = Closing(code, open);
            yield return (open + 1, close - open - 1);
        }

        foreach (Match match in Bool().Matches(code))
            yield return (match.Groups["value"].Index, match.Groups["value"].Length);

        foreach (Match match in Choice().Matches(code))
        {
            int start = BeginningOfOperand(code, match.Index);
            bool isCompileTime = code[(code.LastIndexOf('\n', start) + 1)..start].Contains("constexpr", StringComparison.Ordinal);
            if (!isCompileTime && !IsExtreme(code[start..match.Index], code.AsSpan(match.Index + match.Length)))
                yield return (start, match.Index - start);
        }
    }

    // "a < b ? a : b" is a minimum or a maximum, and masks nothing.
    private static bool IsExtreme(string condition, ReadOnlySpan<char> arms)
    {
        string[] operands = Comparison().Split(condition);
        return operands.Length == 2 && (arms.StartsWith($"{operands[0]} : {operands[1]}", StringComparison.Ordinal)
            || arms.StartsWith($"{operands[1]} : {operands[0]}", StringComparison.Ordinal));
    }

    // Back to what opens the expression: a bracket, a comma, an assignment, a return.
    private static int BeginningOfOperand(string code, int end)
    {
        int depth = 0, i = end - 1;
        for (; i >= 0; i--)
        {
            if (code[i] is ')' or ']')
                depth++;
            else if (code[i] is '(' or '[' && --depth < 0)
                break;
            else if (depth == 0
                && (code[i] is ',' or ';' or '{' or '?' or ':' || (code[i] == '=' && code[i - 1] == ' ' && code[i + 1] == ' ')))
                break;
        }

        i++;
        while (char.IsWhiteSpace(code[i]))
            i++;
        return code.AsSpan(i).StartsWith("return ", StringComparison.Ordinal) ? i + "return ".Length : i;
    }

    private static IEnumerable<(int Start, int Length)> Conjuncts(string code, int start, int length)
    {
        int depth = 0, begin = start;
        for (int i = start; i < start + length; i++)
        {
            depth += code[i] is '(' or '[' ? 1 : code[i] is ')' or ']' ? -1 : 0;
            if (depth != 0 || code[i] != '&' || code[i + 1] != '&')
                continue;
            yield return (begin, i - 1 - begin);
            begin = i + 3;
            i++;
        }

        yield return (begin, start + length - begin);
    }

    private static int Closing(string code, int open)
    {
        int depth = 0;
        for (int i = open; ; i++)
        {
            depth += code[i] == '(' ? 1 : code[i] == ')' ? -1 : 0;
            if (depth == 0)
                return i;
        }
    }

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comments();

    [GeneratedRegex(
        @"\b(?:(?:block_sync|warp_sync|cp_async_commit|wgmma_fence|wgmma_commit|tensor_store_commit)\(\)"
        + @"|(?:wait_for_dependencies|cluster_arrive|cluster_wait)\(\)|meet<\w+>\(\)|barrier_(?:sync|arrive)\([^;]*\)|fence_\w+\([^;]*\)"
        + @"|mbarrier_(?:wait|wait_cluster|arrive|arrive_at)\([^;]*\)"
        + @"|(?:cp_async_wait|wgmma_wait|tensor_store_wait|tensor_store_wait_read)<(?<count>[^;]*)>\([^;]*\));")]
    private static partial Regex Statements();

    [GeneratedRegex(@"\bmbarrier_init\([^;]*, (?<arrivals>[^;,]*)\);")]
    private static partial Regex Arrivals();

    [GeneratedRegex(@"\bmbarrier_wait(?:_cluster)?\([^;]*, (?<parity>[^;,]*)\);")]
    private static partial Regex Parities();

    // Where one is chosen, not where they are listed or translated.
    [GeneratedRegex(@"(?<!case )\bSwizzle::k(?:128|64|32)\b")]
    private static partial Regex Swizzles();

    [GeneratedRegex(@"\bif \(")]
    private static partial Regex If();

    [GeneratedRegex(@"^\s*(?:const )?bool \w+ = (?<value>[^;?]*);", RegexOptions.Multiline)]
    private static partial Regex Bool();

    [GeneratedRegex(@" \? ")]
    private static partial Regex Choice();

    [GeneratedRegex(@" (?:<|<=|>|>=) ")]
    private static partial Regex Comparison();
}
