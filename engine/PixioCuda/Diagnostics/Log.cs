using Microsoft.Extensions.Logging;

namespace PixioCuda.Diagnostics;

/// <summary>What the library logs, under the category "PixioCuda".</summary>
internal static partial class Log
{
    public const string Category = "PixioCuda";

    [LoggerMessage(1, LogLevel.Information, "Loading {Model} onto {Device} to compute in {Precision}.")]
    public static partial void Loading(ILogger logger, string model, string device, PixioPrecision precision);

    [LoggerMessage(2, LogLevel.Information, "Loaded {Model} onto {Device} in {Seconds:F2} s: {WeightByteCount} bytes of weights.")]
    public static partial void Loaded(ILogger logger, string model, string device, double seconds, long weightByteCount);

    [LoggerMessage(3, LogLevel.Warning, "The weights of {Model} are random: its features say nothing about a picture.")]
    public static partial void RandomWeights(ILogger logger, string model);

    [LoggerMessage(4, LogLevel.Debug, "Disposed of {Model}.")]
    public static partial void Disposed(ILogger logger, string model);

    [LoggerMessage(5, LogLevel.Warning, "The queue of {Model} holds {Count} pictures and is full: calls are rejected until it has room.")]
    public static partial void QueueFull(ILogger logger, string model, int count);

    [LoggerMessage(6, LogLevel.Warning, "A batch of {Count} pictures failed on {Model}; each of them is run again alone.")]
    public static partial void BatchFailed(ILogger logger, string model, int count, Exception exception);

    [LoggerMessage(7, LogLevel.Information, "A pipeline preprocesses pictures for {Model} {Place}.")]
    public static partial void Preprocessing(ILogger logger, string model, string place);
}
