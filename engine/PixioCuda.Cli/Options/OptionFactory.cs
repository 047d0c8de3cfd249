using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace PixioCuda.Cli.Options;

/// <summary>Makes options whose complaints say what is allowed.</summary>
internal static class OptionFactory
{
    /// <summary>One of a few words.</summary>
    public static Option<string> Choice(string name, string description, string defaultValue, params string[] allowed) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', allowed),
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => Parse(result, token => allowed.Contains(token) ? token : null, $"one of {string.Join(", ", allowed)}"),
    };

    /// <summary>A whole number in a range, or nothing.</summary>
    public static Option<long?> WholeNumber(string name, string description, long least, long most) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => Parse<long?>(result,
            token => long.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
                && value >= least && value <= most ? value : null,
            string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}")),
    };

    /// <summary>A positive number of seconds, or nothing.</summary>
    public static Option<double?> Seconds(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "S",
        CustomParser = result => Parse<double?>(result,
            token => double.TryParse(token, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
                && value is > 0 and <= 86_400 ? value : null,
            "a number of seconds above 0, up to 86400"),
    };

    /// <summary>A number above 0, or nothing.</summary>
    public static Option<double?> Positive(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => Parse<double?>(result,
            token => double.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value > 0 && double.IsFinite(value) ? value : null,
            "a number above 0, such as 1e-5"),
    };

    /// <summary>A size in pixels, height first, or nothing.</summary>
    public static Option<ImageSize?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "HxW",
        CustomParser = result => Parse(result, ParseSize, "a size of the form HEIGHTxWIDTH, such as 256x256"),
    };

    /// <summary>Whole numbers with commas between them; none where the option is left out.</summary>
    public static Option<int[]> Numbers(string name, string description, string example) => new(name)
    {
        Description = description,
        HelpName = "N,N,...",
        CustomParser = result => Parse(result, ParseNumbers, $"whole numbers with commas between them, such as {example}"),
    };

    /// <summary>Words with commas between them; none where the option is left out.</summary>
    public static Option<string[]> Words(string name, string description, string example) => new(name)
    {
        Description = description,
        HelpName = "NAME,NAME,...",
        CustomParser = result => Parse(result,
            token => token.Split(',', StringSplitOptions.TrimEntries) is string[] words
                && words.All(word => word.Length > 0) ? words : null,
            $"names with commas between them, such as {example}"),
    };

    /// <summary>A switch.</summary>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    /// <summary>"256x512", or null where it is none.</summary>
    public static ImageSize? ParseSize(string text)
    {
        int[] sides = [.. text.Split('x', 'X').Select(side =>
            int.TryParse(side, NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : 0)];
        return sides.Length == 2 && sides[0] > 0 && sides[1] > 0 ? new ImageSize(sides[0], sides[1]) : null;
    }

    private static int[]? ParseNumbers(string text)
    {
        string[] tokens = text.Split(',', StringSplitOptions.TrimEntries);
        int[] numbers = new int[tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            if (!int.TryParse(tokens[i], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out numbers[i]))
                return null;
        }

        return numbers;
    }

    private static T? Parse<T>(ArgumentResult result, Func<string, T?> parse, string allowed)
    {
        string token = result.Tokens[0].Value;
        if (parse(token) is T value)
            return value;
        string option = result.Parent is OptionResult { Option: Option parent } ? parent.Name : result.Argument.Name;
        result.AddError($"{option} takes {allowed}, not '{token}'.");
        return default;
    }
}
