namespace PixioCuda.Weights.PyTorch;

/// <summary>Finds the tensors in what a checkpoint holds: a state dict, or a dict that holds one beside a training run's other
/// state.</summary>
internal static class StateDict
{
    // What training code calls the weights, in the order in which they are looked for.
    private static readonly string[] KnownKeys = ["model", "state_dict", "model_state_dict"];

    private const int DeepestNesting = 4;

    /// <summary>The tensors by name.</summary>
    /// <param name="root">What the pickle describes.</param>
    /// <param name="path">The checkpoint, for messages.</param>
    /// <exception cref="ModelFormatException">There is no state dict, or more than one that could be meant.</exception>
    public static Dictionary<string, TorchTensor> Find(object? root, string path)
    {
        object? candidate = root;
        for (int depth = 0; depth < DeepestNesting; depth++)
        {
            if (candidate is not PickleDict dict)
                break;
            Dictionary<string, TorchTensor> tensors = TensorsOf(dict, path);
            if (tensors.Count > 0)
                return tensors;
            candidate = Inner(dict, path);
        }

        throw new ModelFormatException(
            $"'{path}' holds no state dict: {(root is PickleDict outer ? $"its keys are {Keys(outer)}" : "it is no dict")}. "
            + "Save the weights with torch.save(model.state_dict(), path).");
    }

    private static object? Inner(PickleDict dict, string path)
    {
        foreach (string known in KnownKeys)
        {
            foreach ((object? key, object? value) in dict.Items)
            {
                if (key is string name && name == known && value is PickleDict)
                    return value;
            }
        }

        // One dict can be named any number of times: it is looked through once.
        Dictionary<PickleDict, bool> holdTensors = new(ReferenceEqualityComparer.Instance);
        List<KeyValuePair<object?, object?>> candidates = [];
        foreach (KeyValuePair<object?, object?> item in dict.Items)
        {
            if (item is not { Key: string, Value: PickleDict inner })
                continue;
            if (!holdTensors.TryGetValue(inner, out bool holdsTensors))
                holdTensors.Add(inner, holdsTensors = inner.Items.Any(HoldsTensor));
            if (holdsTensors)
                candidates.Add(item);
        }

        return candidates.Count <= 1
            ? candidates.FirstOrDefault().Value
            : throw new ModelFormatException(
                $"'{path}' holds several state dicts ({MessageText.List([.. candidates.Select(Name)])}), and which one is meant would be a "
                + "guess. Save the one that is meant alone, or under the key 'model'.");
    }

    private static Dictionary<string, TorchTensor> TensorsOf(PickleDict dict, string path)
    {
        Dictionary<string, TorchTensor> tensors = [];
        foreach ((object? key, object? value) in dict.Items)
        {
            if (key is string name && value is TorchTensor tensor && !tensors.TryAdd(name, tensor))
                throw new ModelFormatException($"'{path}' holds the tensor {MessageText.Quote(name)} twice.");
        }

        return tensors;
    }

    private static bool HoldsTensor(KeyValuePair<object?, object?> item) => item is { Key: string, Value: TorchTensor };

    private static string Name(KeyValuePair<object?, object?> item) => MessageText.Quote((string)item.Key!);

    private static string Keys(PickleDict dict) => dict.Items.Count == 0
        ? "none"
        : MessageText.List([.. dict.Items.Select(item => item.Key is string name ? MessageText.Quote(name) : "one that is no text")]);
}
