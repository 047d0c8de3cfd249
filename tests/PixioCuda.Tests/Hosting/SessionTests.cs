using System.Numerics.Tensors;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>A caller's own memory: tensors and sessions give what spans give, and allocate nothing.</summary>
public class SessionTests
{
    private static readonly EncoderTaps Taps = new() { PoolerOutput = true, HiddenStates = [1] };
    private static readonly ImageSize Size = new(48, 64);

    [Fact]
    public void A_session_gives_the_bits_of_a_run()
    {
        using PixioModel model = SmallModel.Load();
        PixioSession session = model.CreateSession(new InputShape(2, model.Config.ImageSize), Taps);
        RgbImage[] images = [SmallModel.Picture("one"), SmallModel.Picture("two", 33, 90)];
        for (int index = 0; index < images.Length; index++)
            session.SetPicture(index, images[index]);
        session.Run();
        Assert.True(model.Run(images, Taps).Values.SequenceEqual(session.Outputs.Values));
        ReadOnlyTensorSpan<float> pooler = session.TensorOf("pooler_output");
        Assert.Equal([2, model.Config.HiddenSize], pooler.Lengths.ToArray());
        Assert.Equal(session.Outputs["pooler_output"].Span[model.Config.HiddenSize + 3], pooler[1, 3]);
    }

    [Fact]
    public void A_session_says_what_does_not_fit()
    {
        using PixioModel model = SmallModel.Load();
        PixioSession session = model.CreateSession(new InputShape(1, Size), Taps);
        ArgumentException exception = Assert.Throws<ArgumentException>("image", () => session.SetPicture(0, SmallModel.Picture("a")));
        Assert.Contains("this session runs 48x64", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>("index", () => session.SetPicture(1, SmallModel.Picture("a")));
        Assert.Throws<ArgumentOutOfRangeException>("index", () => session.SetPicture(-1, SmallModel.Picture("a")));
    }

    [Fact]
    public void Tensors_give_the_bits_of_spans()
    {
        using PixioModel model = SmallModel.Load();
        float[] pixels = Noise.Normal("tensor", 2 * 3 * 48 * 64);
        EncoderOutputs expected = model.CreateOutputs(new InputShape(2, Size), Taps), actual = model.CreateOutputs(new InputShape(2, Size), Taps);
        model.Run(pixels, expected);
        ReadOnlyTensorSpan<float> tensor = new(pixels, [2, 3, 48, 64]);
        model.Run(tensor, actual);
        Assert.True(expected.Values.SequenceEqual(actual.Values));

        EncoderPlan plan = model.Plan(new InputShape(2, Size), new EncoderTaps { PoolerOutput = true });
        float[] pooler = new float[plan.OutputLength];
        model.Run(tensor, plan, new TensorSpan<float>(pooler, [2, model.Config.HiddenSize]));
        Assert.Equal(expected["pooler_output"].ToArray(), pooler);
    }

    [Fact]
    public void Tensors_of_another_shape_are_refused_with_the_shape_that_fits()
    {
        using PixioModel model = SmallModel.Load();
        float[] pixels = new float[2 * 3 * 48 * 64];
        EncoderOutputs outputs = model.CreateOutputs(new InputShape(2, Size), Taps);
        ArgumentException exception = Assert.Throws<ArgumentException>("pixels", () => model.Run(new ReadOnlyTensorSpan<float>(pixels, [2, 3, 64, 48]), outputs));
        Assert.Contains("[2, 3, 48, 64]", exception.Message, StringComparison.Ordinal);
        Assert.Contains("[2, 3, 64, 48]", exception.Message, StringComparison.Ordinal);
        // As many numbers as are needed, in rows with gaps between them.
        float[] wide = new float[2 * 3 * 48 * 100];
        exception = Assert.Throws<ArgumentException>("pixels", () => model.Run(
            new ReadOnlyTensorSpan<float>(wide, [2, 3, 48, 64], [3 * 48 * 100, 48 * 100, 100, 1]), outputs));
        Assert.Contains("dense", exception.Message, StringComparison.Ordinal);

        exception = Assert.Throws<ArgumentException>("plan", () => model.Run(
            new ReadOnlyTensorSpan<float>(pixels, [2, 3, 48, 64]), outputs.Plan, new TensorSpan<float>(new float[8], [8])));
        Assert.Contains("2 outputs", exception.Message, StringComparison.Ordinal);
        EncoderPlan plan = model.Plan(new InputShape(2, Size), new EncoderTaps { PoolerOutput = true });
        exception = Assert.Throws<ArgumentException>("output", () => model.Run(
            new ReadOnlyTensorSpan<float>(pixels, [2, 3, 48, 64]), plan, new TensorSpan<float>(new float[plan.OutputLength], [(nint)plan.OutputLength])));
        Assert.Contains("pooler_output", exception.Message, StringComparison.Ordinal);
    }
}
