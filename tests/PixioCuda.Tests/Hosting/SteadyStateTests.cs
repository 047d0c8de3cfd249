using System.Numerics.Tensors;
using PixioCuda.Imaging;
using Xunit;

namespace PixioCuda.Tests.Hosting;

/// <summary>What a host does over and over costs the garbage collector nothing.</summary>
[Collection(nameof(ProcessAlone))]
public class SteadyStateTests
{
    [Fact]
    public void Spans_tensors_and_sessions_allocate_nothing()
    {
        using PixioModel model = SmallModel.Load();
        EncoderPlan plan = model.Plan(new InputShape(1, model.Config.ImageSize), new EncoderTaps { PoolerOutput = true });
        float[] pixels = Noise.Normal("steady", (int)plan.InputLength), output = new float[plan.OutputLength];
        PixioSession session = model.CreateSession(plan.Shape, plan.Taps);
        RgbImage image = SmallModel.Picture("steady");
        SteadyState.AllocatesNothing(runs: 20, Steady);

        void Steady()
        {
            model.Run(pixels, plan, output);
            nint height = plan.Shape.Size.Height, width = plan.Shape.Size.Width;
            model.Run(new ReadOnlyTensorSpan<float>(pixels, [1, 3, height, width]), plan, new TensorSpan<float>(output, [1, output.Length]));
            session.SetPicture(0, image);
            session.Run();
        }
    }
}
