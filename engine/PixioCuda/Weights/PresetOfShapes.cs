namespace PixioCuda.Weights;

/// <summary>Which preset weights without a config belong to. Their shapes tell everything but the number of heads.</summary>
internal static class PresetOfShapes
{
    /// <summary>Finds the preset all of whose tensors a checkpoint holds, with the same shapes.</summary>
    /// <exception cref="ModelFormatException">There is none; the message says what stands in the way, and what to add.</exception>
    public static PixioConfig Find(ITensorSource source)
    {
        string nearest = "";
        foreach (string name in PixioPresets.Names)
        {
            // The presets' widths differ, so that at most one is looked at closely.
            PixioConfig preset = PixioPresets.Get(name);
            if (!HasWidth(source, preset.HiddenSize))
                continue;
            if (CheckpointBinding.TryBind(source, HuggingFaceNames.EncoderTensors(preset), out _, out string? faults))
                return preset;
            nearest = $" It has the width of {name}, but does not fit it: {faults}.";
        }

        throw new ModelFormatException(
            $"There is no config.json beside '{source.Description}', and its tensors are not those of a preset "
            + $"({string.Join(", ", PixioPresets.Names)}).{nearest} Put the model's config.json into the same folder: the number of "
            + "attention heads, among others, cannot be read from the weights.");
    }

    // Both layouts call the class tokens so.
    private static bool HasWidth(ITensorSource source, int hiddenSize) => source.Tensors.Values.Any(tensor =>
        tensor.Name.EndsWith("cls_token", StringComparison.Ordinal) && tensor.Shape is [.., var width] && width == hiddenSize);
}
