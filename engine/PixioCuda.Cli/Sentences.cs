namespace PixioCuda.Cli;

/// <summary>Messages as they go to a terminal or a log: one line each.</summary>
internal static class Sentences
{
    /// <summary>A message without line breaks.</summary>
    public static string OneLine(string message) =>
        string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    /// <summary>The message of an exception without what .NET appends to it: the name of a parameter means nothing to a user.</summary>
    public static string Of(Exception exception)
    {
        string message = OneLine(exception.Message);
        string suffix = exception is ArgumentException { ParamName: string parameter } ? $" (Parameter '{parameter}')" : "";
        int end = suffix.Length > 0 ? message.LastIndexOf(suffix, StringComparison.Ordinal) : -1;
        return end > 0 ? message[..end] : message;
    }
}
