namespace PixioCuda.Cli.Output;

/// <summary>Says again and again how far something is: on a terminal in one line that is drawn anew, elsewhere in a plain line now
/// and then. What is said meanwhile stands above.</summary>
internal sealed class StatusLine : IDisposable
{
    private const string ClearLine = "\r\u001b[K";

    private static readonly TimeSpan TerminalInterval = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly TextWriter _writer;
    private readonly bool _isTerminal;
    private readonly Func<string> _text;
    private readonly Timer _timer;
    private bool _isDrawn;
    private bool _isDisposed;

    /// <param name="writer">Where it is said.</param>
    /// <param name="isTerminal">Whether that is a terminal.</param>
    /// <param name="text">Says how far it is; called on any thread, one at a time.</param>
    /// <param name="interval">How often; null for what suits the writer.</param>
    public StatusLine(TextWriter writer, bool isTerminal, Func<string> text, TimeSpan? interval = null)
    {
        (_writer, _isTerminal, _text) = (writer, isTerminal, text);
        TimeSpan every = interval ?? (isTerminal ? TerminalInterval : PlainInterval);
        _timer = new Timer(_ => Draw(), null, every, every);
    }

    /// <summary>Does something to the screen with the line out of its way.</summary>
    public void Above(Action write)
    {
        lock (_lock)
        {
            Clear();
            write();
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock)
        {
            _isDisposed = true;
            Clear();
        }
    }

    private void Draw()
    {
        lock (_lock)
        {
            if (_isDisposed)
                return;
            string text = _text();
            if (!_isTerminal)
            {
                _writer.WriteLine(text);
                return;
            }

            // A line that wraps could not be cleared.
            int width = Math.Max(Width() - 1, 20);
            _writer.Write(ClearLine + (text.Length > width ? text[..width] : text));
            _writer.Flush();
            _isDrawn = true;
        }
    }

    private void Clear()
    {
        if (!_isDrawn)
            return;
        _writer.Write(ClearLine);
        _writer.Flush();
        _isDrawn = false;
    }

    private static int Width()
    {
        try
        {
            return Console.WindowWidth is > 0 and int width ? width : 80;
        }
        catch (IOException)
        {
            return 80;
        }
    }
}
