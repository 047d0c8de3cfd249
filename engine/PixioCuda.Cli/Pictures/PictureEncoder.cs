using PixioCuda.Cli.Output;

namespace PixioCuda.Cli.Pictures;

/// <summary>Runs the pictures of a pipeline through a model, batch by batch.</summary>
internal sealed class PictureEncoder(PixioModel model, Func<InputShape, EncoderOutputs> createOutputs)
{
    private EncoderOutputs? _outputs;
    private float[] _pixels = [];

    /// <summary>The features of every picture, in order; those of one picture are valid until the next is asked for.</summary>
    public IEnumerable<(string Picture, IReadOnlyList<FeatureTensor> Tensors)> Encode(
        PicturePipeline pipeline, int batchSize, CancellationToken cancellationToken)
    {
        foreach (IReadOnlyList<PreparedPicture> batch in pipeline.Batches(batchSize))
        {
            EncoderOutputs outputs = Run(batch, cancellationToken);
            for (int index = 0; index < batch.Count; index++)
                yield return (batch[index].Name, [.. outputs.Plan.Outputs.Select(output => Slice(outputs, output, index))]);
        }
    }

    private EncoderOutputs Run(IReadOnlyList<PreparedPicture> batch, CancellationToken cancellationToken)
    {
        InputShape shape = new(batch.Count, batch[0].Size);
        if (_outputs?.Plan.Shape != shape)
        {
            _outputs = createOutputs(shape);
            _pixels = new float[_outputs.Plan.InputLength];
        }

        int length = batch[0].Pixels.Length;
        for (int index = 0; index < batch.Count; index++)
            batch[index].Pixels.CopyTo(_pixels, index * length);
        model.Run(_pixels, _outputs, cancellationToken);
        return _outputs;
    }

    private static FeatureTensor Slice(EncoderOutputs outputs, EncoderOutputInfo info, int index)
    {
        int[] shape = [.. info.Shape.Skip(1)];
        int length = (int)(info.Length / info.Shape[0]);
        return new FeatureTensor(info.Name, shape, outputs[info.Name].Slice(index * length, length));
    }
}
