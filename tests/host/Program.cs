// A host that links the packages: one embedding, by the model itself or by the services around it, as hexadecimal float32; or how long the
// first and the later embeddings take.
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using PixioCuda;
using PixioCuda.Extensions.AI;
using PixioCuda.Skia;

if (args is not [("embed" or "generate" or "time") and string command, string name, string picture])
{
    Console.Error.WriteLine("usage: host embed|generate|time MODEL PICTURE");
    return 2;
}

ServiceCollection services = new();
services.AddPixio(options =>
{
    options.Model = name;
    options.ModelOptions = new PixioModelOptions { Device = "cpu", Decoder = new SkiaImageDecoder() };
});
using ServiceProvider provider = services.BuildServiceProvider();
PixioModel model = provider.GetRequiredService<PixioModel>();
Console.Error.WriteLine(model.Device);
switch (command)
{
    case "embed":
        Print(model.Embed(picture));
        break;
    case "generate":
        var generator = provider.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>();
        Print((await generator.GenerateVectorAsync(await DataContent.LoadFromAsync(picture))).ToArray());
        break;
    default:
        double[] times = [.. Enumerable.Range(0, 12).Select(_ => Timed(() => model.Embed(picture)))];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{times[0]:F1} {times.Skip(1).Order().ElementAt(5):F1}"));
        break;
}

return 0;

static void Print(float[] embedding)
{
    foreach (float value in embedding)
        Console.WriteLine(BitConverter.SingleToUInt32Bits(value).ToString("X8", CultureInfo.InvariantCulture));
}

static double Timed(Action work)
{
    long start = Stopwatch.GetTimestamp();
    work();
    return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
}
