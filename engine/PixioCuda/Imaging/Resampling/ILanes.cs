namespace PixioCuda.Imaging.Resampling;

/// <summary>A vector of 32-bit integers of one width, with what the resize needs of it; one kernel is written against this and compiled for
/// each width.</summary>
internal interface ILanes<TVector> where TVector : struct
{
    /// <summary>The number of 32-bit lanes.</summary>
    static abstract int Count { get; }

    /// <summary>How many whole RGB pixels fit.</summary>
    static abstract int PixelCount { get; }

    static abstract TVector Broadcast(int value);

    /// <summary>Loads Count integers.</summary>
    static abstract TVector Load(ref int source);

    /// <summary>Loads Count bytes, each into a lane.</summary>
    static abstract TVector LoadBytes(ref byte source);

    static abstract TVector MultiplyAdd(TVector left, TVector right, TVector addend);

    /// <summary>Sums PixelCount RGB pixels into one, in the lowest three lanes.</summary>
    static abstract System.Runtime.Intrinsics.Vector128<int> SumPixels(TVector pixels);

    /// <summary>Takes the fraction off, clips to bytes, and stores 4 x Count bytes.</summary>
    static abstract void StoreBytes(TVector a, TVector b, TVector c, TVector d, ref byte destination);
}
