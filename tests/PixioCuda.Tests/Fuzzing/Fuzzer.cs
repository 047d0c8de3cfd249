using System.Diagnostics;
using System.Globalization;
using PixioCuda.Tests.Weights;
using Xunit;

namespace PixioCuda.Tests.Fuzzing;

/// <summary>A parser of foreign bytes, and what is known of it.</summary>
internal sealed record FuzzTarget
{
    /// <summary>What is parsed, for messages and the names of files.</summary>
    public required string Name { get; init; }

    /// <summary>Sound files that mutants are made from.</summary>
    public required IReadOnlyList<byte[]> Samples { get; init; }

    public required Mutator Mutator { get; init; }

    /// <summary>Parses a mutant, which also lies in a file; messages must name that file. Gives what was found in it, which the fuzzer
    /// disposes of where that can be done. Its memory is measured.</summary>
    public required Func<byte[], string, object> Parse { get; init; }

    /// <summary>Holds what was found against something else that knows the format; null where the mutant was refused.</summary>
    public Action<byte[], object?>? Check { get; init; }

    /// <summary>The managed memory that a mutant may take, for a length in bytes.</summary>
    public required Func<int, long> MaxAllocated { get; init; }

    public required int Seed { get; init; }

    /// <summary>The least shares of mutants that must be accepted and refused, so that neither way goes untested.</summary>
    public (double Accepted, double Refused) LeastShares { get; init; } = (0.01, 0.05);
}

/// <summary>Runs mutants through a parser: every one must end in a result or in a clean error that names the file, in bounded time and
/// memory. Environment variable PIXIO_FUZZ_MUTANTS says how many (<c>make fuzz</c>: 100,000).</summary>
internal sealed class Fuzzer
{
    private const int DefaultMutantCount = 5000;

    // What a parser that hangs or goes round in circles exceeds, and one that is merely not given the processor for a while does not.
    private static readonly TimeSpan TimePerMutant = TimeSpan.FromSeconds(60);

    // .NET itself may allocate on whatever thread it is, when a class is first used or one of its tables has been outgrown: once and not again.
    private const int Measurements = 4;

    // Nothing is being parsed.
    private const long Resting = 0;

    private readonly FuzzTarget _target;
    private readonly string _path;
    private long _mutantStarted = Resting;
    private int _accepted;
    private int _refused;
    private int _current;
    private string? _failure;

    private Fuzzer(FuzzTarget target, string path)
    {
        _target = target;
        _path = path;
    }

    public static int MutantCount { get; } =
        Environment.GetEnvironmentVariable("PIXIO_FUZZ_MUTANTS") is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : DefaultMutantCount;

    /// <param name="target">What to test.</param>
    /// <param name="folder">Where the mutants lie.</param>
    /// <param name="fileName">What each of them is called.</param>
    public static void Run(FuzzTarget target, TemporaryFolder folder, string fileName)
    {
        Fuzzer fuzzer = new(target, folder.File(fileName));
        // A parser that hangs cannot be stopped, only left behind: the thread must not keep the test program alive.
        Thread worker = new(fuzzer.RunAll) { IsBackground = true, Name = $"mutants for {target.Name}" };
        worker.Start();
        while (!worker.Join(TimeSpan.FromMilliseconds(50)))
        {
            long started = Interlocked.Read(ref fuzzer._mutantStarted);
            TimeSpan elapsed = started == Resting ? TimeSpan.Zero : Stopwatch.GetElapsedTime(started);
            Assert.True(elapsed < TimePerMutant, $"{fuzzer.Describe()} takes longer than {TimePerMutant}.");
        }

        Assert.True(fuzzer._failure is null, fuzzer._failure);
        Assert.Equal(MutantCount, fuzzer._accepted + fuzzer._refused);
        Assert.True(fuzzer._accepted >= target.LeastShares.Accepted * MutantCount, $"Only {fuzzer._accepted} mutants were accepted.");
        Assert.True(fuzzer._refused >= target.LeastShares.Refused * MutantCount, $"Only {fuzzer._refused} mutants were refused.");
    }

    private void RunAll()
    {
        try
        {
            Random random = new(_target.Seed);
            // Every sound file must be accepted, or its mutants would test nothing.
            foreach (byte[] sample in _target.Samples)
                Assert.True(Accepts(sample), $"A sound sample of {_target.Name} was refused.");
            for (_current = 0; _current < MutantCount && _failure is null; _current++)
            {
                byte[] mutant = _target.Mutator.Mutate(_target.Samples[_current % _target.Samples.Count], random);
                if (Accepts(mutant))
                    _accepted++;
                else
                    _refused++;
            }
        }
        catch (Exception exception)
        {
            _failure ??= $"{Describe()}: {exception}";
        }
    }

    private bool Accepts(byte[] mutant)
    {
        WriteFile(mutant);
        Interlocked.Exchange(ref _mutantStarted, Stopwatch.GetTimestamp());
        long most = _target.MaxAllocated(mutant.Length);
        (object? result, long allocated) = Parse(mutant);
        for (int measurement = 1; allocated > most && measurement < Measurements; measurement++)
        {
            (result as IDisposable)?.Dispose();
            (result, allocated) = Parse(mutant);
        }

        Assert.True(allocated <= most, $"It took {allocated} bytes of memory each time.");
        using (result as IDisposable)
            _target.Check?.Invoke(mutant, result);
        // Not the wait for the disk that the next one is written to.
        Interlocked.Exchange(ref _mutantStarted, Resting);
        return result is not null;
    }

    private (object? Result, long AllocatedByteCount) Parse(byte[] mutant)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        object? result = null;
        try
        {
            result = _target.Parse(mutant, _path);
        }
        catch (PixioException exception) when (exception.Message.Contains(_path, StringComparison.Ordinal))
        {
            // What a damaged file is meant to end in.
        }

        return (result, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>Writes over the last mutant: a new file for each would wait for the disk a hundred thousand times.</summary>
    private void WriteFile(byte[] mutant)
    {
        using FileStream file = new(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        file.SetLength(mutant.Length);
        file.Write(mutant);
    }

    /// <summary>Names the mutant, and leaves a copy of it outside of the test's own folder.</summary>
    private string Describe()
    {
        string kept = Path.Combine(Path.GetTempPath(), $"pixio-fuzz-{_target.Name.Replace(' ', '-')}-{_target.Seed}-{_current}");
        File.Copy(_path, kept, overwrite: true);
        return $"Mutant {_current} of {_target.Name} (seed {_target.Seed}, kept as {kept})";
    }
}
