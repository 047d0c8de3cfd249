using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using PixioCuda.Imaging;

namespace PixioCuda.Cli.Pictures;

/// <summary>A picture that is ready for the model.</summary>
/// <param name="Name">What the user calls it.</param>
/// <param name="Size">Height and width of the pixel values.</param>
/// <param name="Pixels">[3, Height, Width].</param>
internal sealed record PreparedPicture(string Name, ImageSize Size, float[] Pixels);

/// <summary>Reads, decodes and resizes pictures on a thread of its own while the model is loaded and runs. A bounded queue lies between the
/// two, so that memory does not grow with the number of pictures.</summary>
internal sealed class PicturePipeline : IDisposable
{
    private readonly PictureReader _reader;
    private readonly PixioModelOptions _options;
    private readonly BlockingCollection<PreparedPicture> _ready;
    private readonly TaskCompletionSource<PixioModel> _model = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stop;
    private volatile ExceptionDispatchInfo? _failure;

    /// <summary>Starts to read.</summary>
    /// <param name="reader">Where pictures come from.</param>
    /// <param name="names">The pictures, in order.</param>
    /// <param name="options">Decoder and limits.</param>
    /// <param name="capacity">How many pictures may lie ready.</param>
    /// <param name="cancellationToken">Stops everything.</param>
    public PicturePipeline(
        PictureReader reader, IReadOnlyList<string> names, PixioModelOptions options, int capacity, CancellationToken cancellationToken)
    {
        _reader = reader;
        _options = options;
        _ready = new BlockingCollection<PreparedPicture>(capacity);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = Task.Run(() => ProduceAsync(names, _stop.Token), CancellationToken.None);
    }

    /// <summary>Does something long beside the pictures, such as loading a model. A picture that turns out to be bad ends it.</summary>
    /// <exception cref="InputException">A picture cannot be read.</exception>
    /// <exception cref="ImageFormatException">A picture cannot be decoded.</exception>
    public T Beside<T>(Func<CancellationToken, T> work)
    {
        try
        {
            return work(_stop.Token);
        }
        catch (OperationCanceledException) when (_failure is not null)
        {
            _failure.Throw();
            throw;
        }
    }

    /// <summary>Tells the pipeline the model, whose recipe the pictures wait for.</summary>
    public void Attach(PixioModel model) => _model.TrySetResult(model);

    /// <summary>The pictures in order, together where they are neighbours of equal size. Waits for each batch.</summary>
    /// <param name="most">The most pictures of a batch.</param>
    public IEnumerable<IReadOnlyList<PreparedPicture>> Batches(int most)
    {
        List<PreparedPicture> batch = [];
        foreach (PreparedPicture picture in Pictures())
        {
            if (batch.Count == most || (batch.Count > 0 && batch[0].Size != picture.Size))
            {
                yield return batch;
                batch = [];
            }

            batch.Add(picture);
        }

        if (batch.Count > 0)
            yield return batch;
    }

    /// <summary>Stops. The producer is not waited for: it may hang in a read that nothing ends, and holds no native memory of the model.</summary>
    public void Dispose() => _stop.Cancel();

    private IEnumerable<PreparedPicture> Pictures()
    {
        while (TryTake(out PreparedPicture? picture))
            yield return picture;
    }

    private bool TryTake([NotNullWhen(true)] out PreparedPicture? picture)
    {
        try
        {
            return _ready.TryTake(out picture, Timeout.Infinite, _stop.Token);
        }
        catch (OperationCanceledException) when (_failure is not null)
        {
            _failure.Throw();
            throw;
        }
    }

    private async Task ProduceAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        try
        {
            foreach (string name in names)
            {
                ReadOnlyMemory<byte> encoded = await _reader.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                RgbImage image = _options.Decoder!.Decode(encoded.Span, PictureReader.Describe(name), _options.DecodeOptions);
                PixioModel model = await _model.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
                _ready.Add(Prepare(model, name, image), cancellationToken);
            }

            _ready.CompleteAdding();
        }
        catch (Exception exception)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
            await _stop.CancelAsync().ConfigureAwait(false);
        }
    }

    private static PreparedPicture Prepare(PixioModel model, string name, RgbImage image)
    {
        try
        {
            ImageSize size = model.InputSizeOf(image);
            float[] pixels = new float[checked(3 * size.Area)];
            model.Preprocess(image, pixels);
            return new PreparedPicture(name, size, pixels);
        }
        catch (ImageFormatException exception)
        {
            throw new InputException($"The picture {PictureReader.Describe(name)} does not suit the recipe {model.Recipe.Id}: {Sentences.Of(exception)}", exception);
        }
    }
}
