namespace PixioCuda.Weights;

/// <summary>
/// Which stored tensor is which of the encoder's. A prefix that all of the encoder's names share is taken off. Names that the encoder
/// does not know are an error, so that no weight is dropped in silence; only where there is a prefix do tensors outside it belong to the
/// model around the encoder (a head, say) and are left alone.
/// </summary>
internal sealed class CheckpointBinding
{
    private CheckpointBinding(ITensorSource source, string prefix, IReadOnlyDictionary<string, TensorInfo> tensors)
    {
        Source = source;
        Prefix = prefix;
        Tensors = tensors;
    }

    /// <summary>The checkpoint.</summary>
    public ITensorSource Source { get; }

    /// <summary>What stands before the encoder's names: empty, or ending with a dot.</summary>
    public string Prefix { get; }

    /// <summary>The stored tensor for each expected name.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Finds every expected tensor in a checkpoint.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="expected">The encoder's tensors, such as <see cref="HuggingFaceNames.EncoderTensors"/>; their types do not
    /// matter.</param>
    /// <exception cref="ModelFormatException">Tensors are missing, surplus, of another shape or of a type that cannot be read; all are
    /// named.</exception>
    public static CheckpointBinding Bind(ITensorSource source, IReadOnlyList<TensorInfo> expected)
    {
        HashSet<string> expectedNames = [.. expected.Select(tensor => tensor.Name)];
        string prefix = NamePrefix.Find(source.Tensors.Keys.Concat(source.UnsupportedTensors.Keys), expectedNames, source.Description);

        List<string> surplus = [];
        Dictionary<string, TensorInfo> found = Select(source.Tensors, prefix, expectedNames, surplus);
        Dictionary<string, string> unsupportedFound = Select(source.UnsupportedTensors, prefix, expectedNames, surplus);

        List<string> missing = [];
        List<string> reshaped = [];
        List<string> unsupported = [];
        foreach (TensorInfo tensor in expected)
        {
            if (found.TryGetValue(tensor.Name, out TensorInfo? stored))
            {
                if (!stored.Shape.SequenceEqual(tensor.Shape))
                {
                    reshaped.Add($"{MessageText.Quote(stored.Name)} is {MessageText.Shape(stored.Shape)}, "
                        + $"expected {MessageText.Shape(tensor.Shape)}");
                }
            }
            else if (unsupportedFound.TryGetValue(tensor.Name, out string? dtype))
            {
                unsupported.Add($"{MessageText.Quote(prefix + tensor.Name)} is {dtype}");
            }
            else
            {
                missing.Add(MessageText.Quote(prefix + tensor.Name));
            }
        }

        List<string> faults = [];
        AddFault(missing, "missing");
        AddFault(surplus, "that the model does not have");
        AddFault(reshaped, "of another shape");
        AddFault(unsupported, "of a type other than F32, F16 and BF16");
        if (faults.Count > 0)
        {
            throw new ModelFormatException($"The checkpoint '{source.Description}' does not fit the model: {string.Join("; ", faults)}. "
                + "Check that its config belongs to these weights.");
        }

        return new CheckpointBinding(source, prefix, found);

        void AddFault(List<string> names, string kind)
        {
            if (names.Count > 0)
                faults.Add($"{names.Count} {(names.Count == 1 ? "tensor" : "tensors")} {kind} ({MessageText.List(names)})");
        }
    }

    /// <summary>The stored tensors under their canonical names; what is inside the prefix but not expected, or there twice, is
    /// surplus.</summary>
    private static Dictionary<string, T> Select<T>(
        IReadOnlyDictionary<string, T> stored, string prefix, HashSet<string> expected, List<string> surplus)
    {
        Dictionary<string, T> found = [];
        foreach ((string name, T value) in stored)
        {
            if (!name.StartsWith(prefix, StringComparison.Ordinal))
                continue;
            string canonical = HuggingFaceNames.Canonical(name.AsSpan(prefix.Length));
            if (!expected.Contains(canonical) || !found.TryAdd(canonical, value))
                surplus.Add(MessageText.Quote(name));
        }

        return found;
    }
}
