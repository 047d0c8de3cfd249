using System.Globalization;

namespace PixioCuda.Hub;

/// <summary>Counts failures in a row and pauses between attempts, twice as long each time or as long as the server asks.</summary>
internal sealed class HubRetry(HubTimings timings, int? maxAttempts = null)
{
    private readonly int _maxAttempts = maxAttempts ?? timings.MaxAttempts;
    private int _failures;

    /// <summary>An attempt brought something: the count begins anew.</summary>
    public void Progressed() => _failures = 0;

    /// <summary>Pauses before the next attempt.</summary>
    /// <exception cref="HubException">There have been enough, or the server asks for more patience than there is.</exception>
    public async Task PauseAsync(HubTransientException failure, CancellationToken cancellationToken)
    {
        if (++_failures >= _maxAttempts)
        {
            string times = _failures == 1 ? "" : $" ({_failures} attempts)";
            throw new HubException($"{failure.Message}{times}", failure);
        }

        TimeSpan pause = failure.RetryAfter ?? timings.FirstPause * Math.Pow(2, _failures - 1);
        if (pause > timings.LongestPause)
        {
            throw new HubException(string.Create(CultureInfo.InvariantCulture,
                $"{failure.Message} It asks for {pause.TotalSeconds:F0} s of patience; try again then."), failure);
        }

        await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
    }
}
