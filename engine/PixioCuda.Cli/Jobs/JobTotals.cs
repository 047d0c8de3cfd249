namespace PixioCuda.Cli.Jobs;

/// <summary>How many pictures a job has in this process's shard, counted beside the work so that the time that is left can be told. Of a tar
/// file only its length is looked at; how many pictures that is, the tar files that were done say.</summary>
internal sealed class JobTotals
{
    private long _pictures;
    private long _tarBytes;
    private long _tarBytesDone;
    private long _tarPicturesDone;
    private volatile bool _isComplete;

    /// <summary>Counts in the background; what goes wrong is left for the work itself to tell.</summary>
    public void Begin(UnitPlan plan, ShardChoice shard, CancellationToken cancellationToken) => _ = Task.Run(
        () =>
        {
            try
            {
                foreach (JobUnit unit in plan.Units())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (!shard.Takes(unit.Index))
                        continue;
                    if (unit.IsTar)
                        Interlocked.Add(ref _tarBytes, LengthOf(unit));
                    else
                        Interlocked.Add(ref _pictures, unit.Inputs.Count);
                }

                _isComplete = true;
            }
            catch (Exception exception) when (exception is OperationCanceledException or PixioException or CommandException)
            {
                // Then there is no total.
            }
        },
        CancellationToken.None);

    /// <summary>Takes note of a tar file that is done.</summary>
    public void TarDone(long byteCount, long pictures)
    {
        Interlocked.Add(ref _tarBytesDone, byteCount);
        Interlocked.Add(ref _tarPicturesDone, pictures);
    }

    /// <summary>All pictures, those in tar files estimated; null as long as nobody knows.</summary>
    public long? Estimate()
    {
        long tarBytes = Interlocked.Read(ref _tarBytes), bytesDone = Interlocked.Read(ref _tarBytesDone);
        if (!_isComplete || (tarBytes > 0 && bytesDone == 0))
            return null;
        double inTars = tarBytes > 0 ? (double)Interlocked.Read(ref _tarPicturesDone) / bytesDone * tarBytes : 0;
        return Interlocked.Read(ref _pictures) + (long)inTars;
    }

    /// <summary>The length of a unit's tar file, 0 where it is missing.</summary>
    public static long LengthOf(JobUnit unit) => LengthOf(unit.Inputs[0].FilePath);

    /// <inheritdoc cref="LengthOf(JobUnit)"/>
    public static long LengthOf(string path)
    {
        FileInfo file = new(path);
        return file.Exists ? file.Length : 0;
    }
}
