using System.Collections.ObjectModel;

namespace PixioCuda.Weights;

/// <summary>Where a model's tensors come from: checkpoint files, or a seed. Reads are positioned and may run on several threads
/// at once; nothing is read before it is asked for.</summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>What to call this source in messages: a path, or "random:vitb16@0".</summary>
    string Description { get; }

    /// <summary>Every tensor there is, by its stored name.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The names of the tensors that are there but whose type is none of <see cref="DType"/>, with that type's name. They are
    /// no fault until the model asks for one.</summary>
    IReadOnlyDictionary<string, string> UnsupportedTensors => ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Whether the values were made from a seed instead of trained.</summary>
    bool IsRandom { get; }

    /// <summary>Reads elements of a tensor as they are stored (little-endian).</summary>
    /// <param name="tensor">One of <see cref="Tensors"/>.</param>
    /// <param name="byteOffset">Where to begin, in bytes from the tensor's first element.</param>
    /// <param name="destination">Filled completely.</param>
    /// <exception cref="ModelFormatException">The file ends before the tensor does.</exception>
    void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination);

    /// <summary>The file that holds a tensor, where there are several: reads of different files gain from running at a time.</summary>
    string FileOf(TensorInfo tensor) => Description;

    /// <summary>To be asked when everything is read: whether it is still what was opened.</summary>
    /// <exception cref="ModelFormatException">A file was written to meanwhile.</exception>
    void ThrowIfChanged()
    {
        // What is made from a seed does not change.
    }
}
