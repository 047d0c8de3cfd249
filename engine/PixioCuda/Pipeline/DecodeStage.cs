using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using PixioCuda.Cuda;
using PixioCuda.Imaging;
using PixioCuda.Imaging.Encoded;

namespace PixioCuda.Pipeline;

/// <summary>What the workers of a pipeline must know to make pixel values of decoded pictures.</summary>
/// <param name="Model">Whose pixel values.</param>
/// <param name="DeviceByteLimit">The device memory that a picture may take which a GPU is to resize; null where the CPU resizes
/// all.</param>
internal sealed record PicturePreparation(PixioModel Model, long? DeviceByteLimit)
{
    /// <summary>Whether a picture is left to the GPU.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    public bool IsForDevice(RgbImage image) =>
        DeviceByteLimit is { } limit && PreprocessLayout.Fits(image, Model.Recipe.Geometry, limit);
}

/// <summary>What becomes of pictures on the workers of a pipeline: read and decoded, and resized and normalised unless a GPU does
/// that.</summary>
internal sealed class DecodeStage(
    IImageDecoder decoder, ImageDecodeOptions decodeOptions, Task<PicturePreparation> preparation, bool hashContents, PictureMemory memory,
    StageClock clock)
{
    // RGB, and the four bytes a pixel that a decoder may need beside it.
    private const int DecodedPixelBytes = 7;

    /// <summary>Takes pictures until there are no more.</summary>
    /// <exception cref="OperationCanceledException">The pipeline was stopped.</exception>
    public void Work(BlockingCollection<PictureSlot> pictures, Action<Exception> failed, CancellationToken cancellationToken)
    {
        foreach (PictureSlot slot in pictures.GetConsumingEnumerable(cancellationToken))
        {
            Process(slot, cancellationToken);
            if (slot.Failure is { } failure)
                failed(failure);
            slot.MarkReady();
        }
    }

    /// <summary>Reads a picture's file; what is thrown becomes the picture's failure.</summary>
    public void Read(PictureSlot slot, CancellationToken cancellationToken)
    {
        long began = Stopwatch.GetTimestamp();
        try
        {
            EncodedPicture encoded = slot.Entry.Read(cancellationToken);
            slot.Encoded = encoded;
            clock.CountEncoded(encoded.Bytes.Length);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
        {
            slot.Failure = exception;
        }

        // What a source reads in order is the source's time.
        if (!slot.Entry.IsReadInOrder)
            clock.Add(PipelineStage.Read, began);
    }

    private void Process(PictureSlot slot, CancellationToken cancellationToken)
    {
        if (slot.Encoded is null && slot.Failure is null)
            Read(slot, cancellationToken);
        if (slot.Encoded is not { } encoded)
            return;
        try
        {
            if (hashContents)
            {
                long began = Stopwatch.GetTimestamp();
                slot.ContentHash = SHA256.HashData(encoded.Bytes.Span);
                clock.Add(PipelineStage.Read, began);
            }

            Prepare(slot, encoded.Bytes, cancellationToken);
        }
        catch (ImageFormatException exception)
        {
            slot.Failure = exception;
        }
        finally
        {
            slot.Encoded = null;
            encoded.Return();
        }
    }

    private void Prepare(PictureSlot slot, ReadOnlyMemory<byte> encoded, CancellationToken cancellationToken)
    {
        string name = slot.Entry.DisplayName;
        long decodedBytes = DecodedPixelBytes * ClaimedPixels(encoded.Span, name);
        Hold(slot, decodedBytes);
        long began = Stopwatch.GetTimestamp();
        RgbImage image = decoder.Decode(encoded.Span, name, decodeOptions);
        clock.Add(PipelineStage.Decode, began);

        preparation.Wait(cancellationToken);
        PicturePreparation prepare = preparation.Result;
        long left;
        try
        {
            left = prepare.IsForDevice(image) ? PrepareForDevice(slot, image, prepare.Model) : Preprocess(slot, image, prepare.Model);
        }
        catch (ImageFormatException exception)
        {
            throw new ImageFormatException(
                $"The picture {name} does not suit the recipe {prepare.Model.Recipe.Id}: {exception.Message}", exception);
        }

        // The encoded picture is gone, and what was only needed on the way.
        memory.Return(slot.HeldBytes - left);
        slot.HeldBytes = left;
    }

    /// <summary>Resizes and normalises a picture; gives the bytes that stay.</summary>
    private long Preprocess(PictureSlot slot, RgbImage image, PixioModel model)
    {
        ImageSize size = model.InputSizeOf(image);
        int length = checked((int)(3 * size.Area));
        long byteCount = sizeof(float) * (long)length;
        Hold(slot, byteCount);
        long began = Stopwatch.GetTimestamp();
        float[] pixels = ArrayPool<float>.Shared.Rent(length);
        model.Preprocess(image, pixels.AsSpan(0, length));
        slot.Set(size, pixels);
        clock.Add(PipelineStage.Preprocess, began);
        return byteCount;
    }

    /// <summary>Computes what a GPU needs to resize a picture; gives the bytes that stay, which are fewer than decoding took.</summary>
    private long PrepareForDevice(PictureSlot slot, RgbImage image, PixioModel model)
    {
        long began = Stopwatch.GetTimestamp();
        slot.Set(model.InputSizeOf(image), new DecodedPicture(image, model.AxesFor(image)));
        clock.Add(PipelineStage.Preprocess, began);
        return Math.Min(image.Pixels.Length, slot.HeldBytes);
    }

    private void Hold(PictureSlot slot, long byteCount)
    {
        memory.Take(slot.Number, byteCount);
        slot.HeldBytes += byteCount;
    }

    /// <summary>How many pixels a picture will have; 0 where its header is damaged or of a format that only the decoder knows.</summary>
    private long ClaimedPixels(ReadOnlySpan<byte> encoded, string name)
    {
        try
        {
            ImageHeader header = ImageHeader.Read(encoded, name, decodeOptions);
            return (long)header.Width * header.Height;
        }
        catch (ImageFormatException)
        {
            return 0;
        }
    }
}
