using PixioCuda.Cuda;
using PixioCuda.Diagnostics;
using PixioCuda.Graph;
using PixioCuda.Imaging;

namespace PixioCuda;

/// <summary>What a pipeline asks of a model that is to preprocess pictures on its own device.</summary>
public sealed partial class PixioModel
{
    /// <summary>The bytes that are free on the CUDA device, or null on the CPU.</summary>
    /// <exception cref="PixioException">The driver does not say.</exception>
    internal long? FreeDeviceByteCount => _backend is CudaBackend backend ? CudaFailure.Translate(() => backend.FreeByteCount) : null;

    /// <summary>Makes what resizes and normalises pictures on the model's CUDA device. To be disposed of before the model.</summary>
    /// <param name="scale">What is done to the values of pixels.</param>
    /// <param name="byteLimit">The device memory that one picture may take meanwhile.</param>
    /// <exception cref="PixioException">The model is not on a CUDA device, or the device fails.</exception>
    internal CudaPreprocessor CreatePreprocessor(PixelScale scale, long byteLimit)
    {
        CudaBackend backend = RequireCuda("Preprocessing on a GPU");
        return CudaFailure.Translate(() => backend.CreatePreprocessor(scale, byteLimit));
    }

    /// <summary>The weights by which the recipe resizes and crops a picture.</summary>
    /// <exception cref="ImageFormatException">The recipe cannot be applied to a picture of this size.</exception>
    internal ResizeAxes AxesFor(RgbImage image) => _processor.Value.AxesFor(image);

    /// <summary>The bytes of a device that a run takes beside the weights, input included. Nothing is compiled for it.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    internal long RunByteCount(InputShape shape, EncoderTaps taps)
    {
        EncoderGraph graph = EncoderGraph.Create(Config, shape, taps);
        return MemoryPlan.Create(graph, _backend.MemoryModelFor(graph)).ArenaByteCount + (sizeof(float) * graph.Input.ElementCount);
    }

    /// <summary>Logs where a pipeline preprocesses pictures, and why.</summary>
    internal void LogPreprocessing(string place) => Log.Preprocessing(_logger, Name, place);
}
