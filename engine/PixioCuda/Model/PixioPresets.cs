using System.Diagnostics.CodeAnalysis;

namespace PixioCuda;

/// <summary>The published sizes of Pixio, by the names of the original repository.</summary>
public static class PixioPresets
{
    private static readonly KeyValuePair<string, PixioConfig>[] Table =
    [
        new("vitb16", Preset(768, 12, 12)),
        new("vitl16", Preset(1024, 24, 16)),
        new("vith16", Preset(1280, 32, 16)),
        new("vit1b16", Preset(1536, 48, 24)),
        new("vit5b16", Preset(3072, 48, 32)),
    ];

    /// <summary>Every preset's name, smallest first.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Table.Select(entry => entry.Key)];

    /// <summary>The config of a preset.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">There is no such preset; the message lists those there are.</exception>
    public static PixioConfig Get(string name) =>
        TryGet(name, out PixioConfig? config)
            ? config
            : throw new ArgumentException($"There is no preset '{name}'. The presets are {string.Join(", ", Names)}.", nameof(name));

    /// <summary>Looks a preset up.</summary>
    public static bool TryGet(string name, [NotNullWhen(true)] out PixioConfig? config)
    {
        config = Array.Find(Table, entry => entry.Key == name).Value;
        return config is not null;
    }

    private static PixioConfig Preset(int hiddenSize, int layers, int heads) =>
        new() { HiddenSize = hiddenSize, HiddenLayers = layers, AttentionHeads = heads, OutIndices = [layers] };
}
