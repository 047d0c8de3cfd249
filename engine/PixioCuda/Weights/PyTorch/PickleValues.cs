namespace PixioCuda.Weights.PyTorch;

// What a pickle can hold here. Plain values are their own .NET types: null for None, bool, long, BigInteger, double, string.

/// <summary>A tuple.</summary>
internal sealed record PickleTuple(object?[] Items);

/// <summary>A list.</summary>
internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

/// <summary>A dict or an OrderedDict. Keys can be of any kind, and are not compared before somebody looks for one.</summary>
internal sealed class PickleDict
{
    public List<KeyValuePair<object?, object?>> Items { get; } = [];
}

/// <summary>A class or function that the pickle names: one of <see cref="TorchGlobals"/>.</summary>
internal sealed record PickleGlobal(string Name);

/// <summary>Bytes outside of the pickle that tensors are views of.</summary>
/// <param name="Key">The name of the entry under "data/".</param>
/// <param name="DTypeName">The element type, in safetensors' names.</param>
/// <param name="ElementBytes">The bytes of one element.</param>
/// <param name="ElementCount">The number of elements, as the pickle claims.</param>
internal sealed record TorchStorage(string Key, string DTypeName, int ElementBytes, long ElementCount);

/// <summary>A tensor: a view of a storage. Shape and strides were checked to stay inside of the storage.</summary>
/// <param name="Storage">Where its elements are.</param>
/// <param name="Offset">The first element, counted in elements of the storage.</param>
/// <param name="Shape">The dimensions, outermost first.</param>
/// <param name="Strides">How far apart neighbours are along each dimension, in elements of the storage.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides);
