namespace PixioCuda.Peers;

/// <summary>Something that runs one encoder on one batch of pictures.</summary>
internal interface IEngine : IDisposable
{
    /// <summary>What to call it.</summary>
    string Name { get; }

    /// <summary>last_hidden_state [B, T, d] of the last run.</summary>
    ReadOnlySpan<float> Output { get; }

    /// <summary>Runs the forward pass once.</summary>
    void Run();
}

/// <summary>This project's CPU backend.</summary>
internal sealed class PixioEngine : IEngine
{
    private readonly PixioModel _model;
    private readonly EncoderPlan _plan;
    private readonly float[] _pixels;
    private readonly float[] _result;

    public PixioEngine(PixioModel model, EncoderPlan plan, float[] pixels)
    {
        _model = model;
        _plan = plan;
        _pixels = pixels;
        _result = new float[plan.OutputLength];
    }

    public string Name => "PixioCuda";

    public ReadOnlySpan<float> Output => _result;

    public void Run() => _model.Run(_pixels, _plan, _result);

    public void Dispose() => _model.Dispose();
}
