using System.Globalization;
using PixioCuda.Interop;
using PixioCuda.Kernels;

namespace PixioCuda.Cli.Doctor;

/// <summary>Kernels of the engine on inputs whose results are known to the last bit.</summary>
internal static class KernelTrials
{
    private const int HalfCount = 1 << 16;

    // The last tiles of all three sides are cut; K is a multiple of what one copy moves.
    private static readonly GemmShape Product = new(65, 72, 96, ElementType.BF16, ElementType.F32, GemmEpilogue.None);

    private static readonly ConvertShape Conversion = ConvertShape.Flat(HalfCount, ElementType.F16, ElementType.F32);

    /// <summary>What the compile test compiles: the kernel with the tensor cores' instructions.</summary>
    public static KernelSource ProductSource(DeviceLimits device) => GemmKernel.SelectConfig(Product, device).Source;

    /// <summary>A kernel that every filled cache has, whatever the model and the precision.</summary>
    public static KernelSource ConversionSource => ConvertKernel.SelectConfig(Conversion).Source;

    /// <summary>Converts every float16 to float32.</summary>
    /// <returns>Null where all are right, else what is not.</returns>
    public static string? Convert(GpuDevice device)
    {
        ushort[] bits = [.. Enumerable.Range(0, HalfCount).Select(value => (ushort)value)];
        float[] results = new float[HalfCount];
        using DeviceMemory<ushort> input = device.Allocate<ushort>(HalfCount);
        using DeviceMemory<float> output = device.Allocate<float>(HalfCount);
        using GpuStream stream = device.CreateStream();
        device.Upload(input, bits);
        Poison(device, stream, output);
        new ConvertKernel(device, ConvertKernel.SelectConfig(Conversion))
            .Launch(stream, Conversion, input.Pointer.As<byte>(), output.Pointer.As<byte>());
        stream.Synchronize();
        device.Download(output, results);
        return Compare(results, index => (float)BitConverter.UInt16BitsToHalf((ushort)index), "float16 value");
    }

    /// <summary>Multiplies matrices of small whole numbers, whose products and sums float32 holds exactly, by a captured graph, as a model
    /// runs.</summary>
    /// <returns>Null where all elements are right, else what is not.</returns>
    public static string? Multiply(GpuDevice device)
    {
        ushort[] a = BFloat16s(Product.M, Left), w = BFloat16s(Product.N, Right);
        float[] results = new float[Product.M * Product.N];
        using DeviceMemory<ushort> left = device.Allocate<ushort>(a.Length), right = device.Allocate<ushort>(w.Length);
        using DeviceMemory<float> output = device.Allocate<float>(results.Length);
        using GpuStream stream = device.CreateStream();
        device.Upload(left, a);
        device.Upload(right, w);
        Poison(device, stream, output);
        GemmKernel kernel = new(device, Product);
        using GpuGraph graph = stream.Capture(() => kernel.Launch(
            stream, left.Pointer.As<byte>(), right.Pointer.As<byte>(), default, default, output.Pointer.As<byte>()));
        using GpuGraphExec launch = graph.Instantiate();
        launch.Launch(stream);
        stream.Synchronize();
        device.Download(output, results);
        return Compare(
            results, index => Enumerable.Range(0, Product.K).Sum(k => Left(index / Product.N, k) * Right(index % Product.N, k)), "element");
    }

    // What the kernel does not write is then not right by chance.
    private static void Poison(GpuDevice device, GpuStream stream, DeviceMemory<float> memory) => device.MemsetAsync(stream, memory, 0xA5);

    private static int Left(int row, int k) => (((row * 7) + (k * 3)) % 9) - 4;

    private static int Right(int row, int k) => (((row * 5) + (k * 11)) % 7) - 3;

    // A small whole number is the upper half of its float32.
    private static ushort[] BFloat16s(int rows, Func<int, int, int> value) =>
    [
        .. Enumerable.Range(0, rows).SelectMany(row => Enumerable.Range(0, Product.K).Select(
            k => (ushort)(BitConverter.SingleToUInt32Bits(value(row, k)) >> 16))),
    ];

    /// <summary>Holds results against what they have to be, bit for bit.</summary>
    /// <param name="results">What the device wrote.</param>
    /// <param name="expected">What each has to be, by its place.</param>
    /// <param name="what">What one of them is called.</param>
    /// <returns>Null where all are right, else how many are not, and the first of them.</returns>
    internal static string? Compare(float[] results, Func<int, float> expected, string what)
    {
        int wrong = 0, first = -1;
        for (int i = 0; i < results.Length; i++)
        {
            float right = expected(i);
            // Which NaN it becomes is the device's choice; a zero's sign is not.
            if (float.IsNaN(right) ? float.IsNaN(results[i])
                : BitConverter.SingleToUInt32Bits(right) == BitConverter.SingleToUInt32Bits(results[i]))
                continue;
            first = wrong++ == 0 ? i : first;
        }

        return wrong == 0 ? null : string.Create(CultureInfo.InvariantCulture,
            $"{wrong} of {results.Length} results are wrong; {what} {first} gave {results[first]:R} instead of {expected(first):R}");
    }
}
