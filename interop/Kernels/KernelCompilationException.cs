using System.Globalization;
using System.Text.RegularExpressions;

namespace PixioCuda.Interop;

/// <summary>A kernel does not compile. The message has the first error and the line it stands in.</summary>
internal sealed partial class KernelCompilationException : Exception
{
    private KernelCompilationException(string message, string kernel, string log, string? file, int? line)
        : base(message)
    {
        Kernel = kernel;
        Log = log;
        File = file;
        Line = line;
    }

    /// <summary>The kernel and its configuration.</summary>
    public string Kernel { get; }

    /// <summary>All that the compiler said.</summary>
    public string Log { get; }

    /// <summary>The source or included file of the first error, where the log names one.</summary>
    public string? File { get; }

    /// <summary>The line of the first error in <see cref="File"/>, counted from 1.</summary>
    public int? Line { get; }

    /// <summary>Makes the exception from what the compiler said.</summary>
    /// <param name="source">The kernel.</param>
    /// <param name="architecture">What it was to be compiled for.</param>
    /// <param name="result">The compiler's result in words.</param>
    /// <param name="log">Its log.</param>
    public static KernelCompilationException Create(KernelSource source, GpuArchitecture architecture, string result, string log)
    {
        Match error = ErrorLine().Match(log);
        if (!error.Success)
        {
            return new KernelCompilationException(
                $"The kernel {source.Title} does not compile for {architecture} ({result}). The compiler's log:\n{log.Trim()}",
                source.Title, log, null, null);
        }

        string file = error.Groups["file"].Value;
        int line = int.Parse(error.Groups["line"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);
        string text = TextOf(source, file, line) is string code ? $"\n    {code.Trim()}" : "";
        return new KernelCompilationException(
            $"The kernel {source.Title} does not compile for {architecture} ({result}): {error.Value.Trim()}{text}\n"
            + $"The compiler's log:\n{log.Trim()}",
            source.Title, log, file, line);
    }

    private static string? TextOf(KernelSource source, string file, int line)
    {
        string? text = file == source.Name ? source.Text : source.Includes.FirstOrDefault(include => include.Name == file)?.Text;
        return text?.Split('\n').ElementAtOrDefault(line - 1);
    }

    // "gemm.cu(12): error: ...", "mma.cuh(3): catastrophic error: ..."; g++'s "gemm.cu:12:5: error: ..." comes from the emulated compiler.
    [GeneratedRegex(@"^(?<file>[^\r\n():]+)(?:\((?<line>\d+)\)|:(?<line>\d+)(?::\d+)?): (?:catastrophic |fatal )?error.*$",
        RegexOptions.Multiline)]
    private static partial Regex ErrorLine();
}
