using System.Diagnostics;
using System.Globalization;
using PixioCuda;
using PixioCuda.Skia;

if (args is not [("embed" or "time") and string command, string name, string picture])
{
    Console.Error.WriteLine("usage: host embed|time MODEL PICTURE");
    return 2;
}

using PixioModel model = PixioModel.Load(name, new PixioModelOptions { Device = "cpu", Decoder = new SkiaImageDecoder() });
Console.Error.WriteLine(model.Device);
if (command == "embed")
{
    foreach (float value in model.Embed(picture))
        Console.WriteLine(BitConverter.SingleToUInt32Bits(value).ToString("X8", CultureInfo.InvariantCulture));
    return 0;
}

const int Runs = 12;
double[] times = new double[Runs];
for (int run = 0; run < Runs; run++)
{
    long start = Stopwatch.GetTimestamp();
    _ = model.Embed(picture);
    times[run] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
}

double first = times[0];
Array.Sort(times, 1, Runs - 1);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{first:F1} {times[1 + ((Runs - 1) / 2)]:F1}"));
return 0;
