namespace PixioCuda.Imaging.Resampling;

/// <summary>The last few axes that were asked for: pictures of one camera or one data set come in few sizes.</summary>
internal sealed class BicubicAxisCache
{
    private const int Capacity = 32;

    // 4 MB: with the copy spread over RGB, the cache then stays below 0.6 GB even if someone fills it with the longest axes it takes.
    private const int MaxCachedWeights = 1 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<Key, BicubicAxis> _axes = [];
    private readonly Queue<Key> _order = [];

    public BicubicAxis Get(int inputSize, int outputSize, int cropStart, int cropSize)
    {
        Key key = new(inputSize, outputSize, cropStart, cropSize);
        lock (_lock)
        {
            if (_axes.TryGetValue(key, out BicubicAxis? known))
                return known;
        }

        BicubicAxis axis = new(inputSize, outputSize, cropStart, cropSize);
        if (axis.Weights.Length > MaxCachedWeights)
            return axis;

        lock (_lock)
        {
            if (_axes.TryAdd(key, axis))
            {
                _order.Enqueue(key);
                if (_order.Count > Capacity)
                    _axes.Remove(_order.Dequeue());
            }
        }

        return axis;
    }

    private readonly record struct Key(int InputSize, int OutputSize, int CropStart, int CropSize);
}
