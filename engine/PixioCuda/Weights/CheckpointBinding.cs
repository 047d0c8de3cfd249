using System.Diagnostics.CodeAnalysis;

namespace PixioCuda.Weights;

/// <summary>
/// Which stored tensor is which of the encoder's, in whichever layout the checkpoint has, and the encoder's tensors as a source of their
/// own. A prefix that all of the encoder's names share is taken off. Names that the encoder does not know are an error, so that no weight
/// is dropped in silence; only where there is a prefix do tensors outside it belong to the model around the encoder (a head, say) and are
/// left alone.
/// </summary>
internal sealed class CheckpointBinding : ITensorSource
{
    private readonly ITensorSource _source;
    private readonly Dictionary<string, Place> _places;

    private CheckpointBinding(
        ITensorSource source, string prefix, Dictionary<string, TensorInfo> tensors, Dictionary<string, Place> places)
    {
        _source = source;
        _places = places;
        Prefix = prefix;
        Tensors = tensors;
    }

    public string Description => _source.Description;

    public bool IsRandom => _source.IsRandom;

    /// <summary>What stands before the encoder's names: empty, or ending with a dot.</summary>
    public string Prefix { get; }

    /// <summary>The encoder's tensors by their Hugging Face names, in the encoder's order, typed as they are stored.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The number of stored tensors that hold the encoder's.</summary>
    public int StoredTensorCount => _places.Values.Select(place => place.Stored.Name).Distinct().Count();

    /// <summary>The name of the stored tensor that holds one of the encoder's.</summary>
    public string StoredName(string name) => _places[name].Stored.Name;

    /// <summary>Finds every expected tensor in a checkpoint.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="expected">The encoder's tensors, such as <see cref="HuggingFaceNames.EncoderTensors"/>; their types do not
    /// matter.</param>
    /// <exception cref="ModelFormatException">Tensors are missing, surplus, of another shape or of a type that cannot be read; all are
    /// named.</exception>
    public static CheckpointBinding Bind(ITensorSource source, IReadOnlyList<TensorInfo> expected) =>
        TryBind(source, expected, out CheckpointBinding? binding, out string? faults)
            ? binding
            : throw new ModelFormatException($"The checkpoint '{source.Description}' does not fit the model: {faults}. "
                + "Check that its config belongs to these weights.");

    /// <summary>As <see cref="Bind"/>; what is wrong comes back as text.</summary>
    /// <exception cref="ModelFormatException">The checkpoint holds two whole encoders.</exception>
    public static bool TryBind(
        ITensorSource source, IReadOnlyList<TensorInfo> expected, [NotNullWhen(true)] out CheckpointBinding? binding,
        [NotNullWhen(false)] out string? faults)
    {
        (CheckpointLayout layout, string prefix) = FindLayout(source, expected);
        List<string> surplus = [];
        Dictionary<string, TensorInfo> found = Select(source.Tensors, prefix, layout, surplus);
        Dictionary<string, string> unsupportedFound = Select(source.UnsupportedTensors, prefix, layout, surplus);

        Dictionary<string, Place> places = [];
        BindingFaults wrong = new(surplus);
        foreach ((TensorInfo tensor, IReadOnlyList<TensorInfo> parts) in layout.Tensors)
        {
            if (!found.TryGetValue(tensor.Name, out TensorInfo? stored))
            {
                if (unsupportedFound.TryGetValue(tensor.Name, out string? dtype))
                    wrong.Unsupported.Add($"{MessageText.Quote(prefix + tensor.Name)} is {dtype}");
                else
                    wrong.Missing.Add(MessageText.Quote(prefix + tensor.Name));
                continue;
            }

            if (!TensorShape.AreEqual(stored.Shape, tensor.Shape))
            {
                wrong.Reshaped.Add($"{MessageText.Quote(stored.Name)} is {MessageText.Shape(stored.Shape)}, "
                    + $"expected {MessageText.Shape(tensor.Shape)}");
            }

            long firstElement = 0;
            foreach (TensorInfo part in parts)
            {
                places.Add(part.Name, new Place(stored, firstElement));
                firstElement += part.ElementCount;
            }
        }

        faults = wrong.Describe();
        binding = faults is null
            ? new CheckpointBinding(
                source, prefix,
                expected.ToDictionary(tensor => tensor.Name, tensor => tensor with { DType = places[tensor.Name].Stored.DType }), places)
            : null;
        return binding is not null;
    }

    public void ReadBytes(TensorInfo tensor, long byteOffset, Span<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_places.TryGetValue(tensor.Name, out Place? place))
            throw new ArgumentException($"The encoder of '{Description}' has no tensor {MessageText.Quote(tensor.Name)}.", nameof(tensor));
        TensorRange.Check(Tensors[tensor.Name], byteOffset, destination.Length);
        _source.ReadBytes(place.Stored, place.FirstElement * place.Stored.DType.ElementBytes() + byteOffset, destination);
    }

    public string FileOf(TensorInfo tensor) => _source.FileOf(_places[tensor.Name].Stored);

    public void ThrowIfChanged() => _source.ThrowIfChanged();

    /// <summary>Leaves the checkpoint open: it belongs to who opened it.</summary>
    public void Dispose()
    {
        // Nothing is held open here.
    }

    /// <summary>The layout that most of the checkpoint's names fit, and its prefix there.</summary>
    private static (CheckpointLayout Layout, string Prefix) FindLayout(ITensorSource source, IReadOnlyList<TensorInfo> expected)
    {
        (CheckpointLayout? Layout, string Prefix, int Matches) best = (null, "", -1);
        foreach (CheckpointLayout layout in CheckpointLayout.Of(expected))
        {
            (string prefix, int matches) = NamePrefix.Find(
                source.Tensors.Keys.Concat(source.UnsupportedTensors.Keys), layout.Names, layout.Spelling, source.Description);
            if (matches > best.Matches)
                best = (layout, prefix, matches);
        }

        return (best.Layout!, best.Prefix);
    }

    /// <summary>The stored tensors under the layout's names; what is inside the prefix but not expected, or there twice, is
    /// surplus.</summary>
    private static Dictionary<string, T> Select<T>(
        IReadOnlyDictionary<string, T> stored, string prefix, CheckpointLayout layout, List<string> surplus)
    {
        Dictionary<string, T> found = [];
        foreach ((string name, T value) in stored)
        {
            if (!name.StartsWith(prefix, StringComparison.Ordinal))
                continue;
            string spelled = layout.Spelling(name.AsSpan(prefix.Length));
            if (!layout.Names.Contains(spelled) || !found.TryAdd(spelled, value))
                surplus.Add(MessageText.Quote(name));
        }

        return found;
    }

    private sealed record Place(TensorInfo Stored, long FirstElement);

    private sealed class BindingFaults(List<string> surplus)
    {
        public List<string> Missing { get; } = [];

        public List<string> Reshaped { get; } = [];

        public List<string> Unsupported { get; } = [];

        public string? Describe()
        {
            List<string> faults = [];
            Add(Missing, "missing");
            Add(surplus, "that the model does not have");
            Add(Reshaped, "of another shape");
            Add(Unsupported, "of a type other than F32, F16 and BF16");
            return faults.Count > 0 ? string.Join("; ", faults) : null;

            void Add(List<string> names, string kind)
            {
                if (names.Count > 0)
                    faults.Add($"{names.Count} {(names.Count == 1 ? "tensor" : "tensors")} {kind} ({MessageText.List(names)})");
            }
        }
    }
}
