using System.Globalization;
using System.Text.Json;
using PixioCuda.Cuda;
using PixioCuda.Kernels;

namespace PixioCuda.Cli.Output;

/// <summary>How the configurations of the matrix products were chosen, on devices where a table of waves does that (compute
/// capability 9.0).</summary>
internal sealed class WaveTable(IReadOnlyList<CudaLaunch> launches, DeviceLimits device, int clockKHz, bool fast)
{
    // What is printed of each product; JSON has all.
    private const int PrintedRows = 4;

    private readonly (GemmShape Shape, GemmEstimate[] Estimates)[] _products =
    [
        .. launches.Select(launch => launch.Product).OfType<GemmShape>().Distinct()
            .Where(shape => WarpgroupGemmTiles.Allows(shape, device))
            .Select(shape => (shape, ChosenFirst(shape, [.. GemmKernel.Estimates(shape, device, fast)]))),
    ];

    /// <summary>A row for each of the fastest configurations of every product, the chosen one first.</summary>
    public void Print(TextWriter output)
    {
        if (_products.Length == 0)
            return;
        output.WriteLine();
        TextTable.Print(
            output, ["product", "configuration", "tiles", "waves", "main loop", "way out", "cycles", "us"],
            _products.SelectMany(product => product.Estimates.Take(PrintedRows).Select((estimate, row) => new[]
            {
                row == 0 ? product.Shape.ToString() : "", estimate.Config.Name, Text($"{estimate.Tiles}"), Text($"{estimate.Waves}"),
                Text($"{estimate.MainloopCycles:F0}"), Text($"{estimate.EpilogueCycles:F0}"), Text($"{estimate.Cycles:F0}"),
                Text($"{1e6 * Seconds(estimate):F1}"),
            })));
    }

    /// <summary>Every configuration of every product.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("products");
        foreach ((GemmShape shape, GemmEstimate[] estimates) in _products)
        {
            json.WriteStartObject();
            json.WriteString("product", shape.ToString());
            json.WriteStartArray("configurations");
            foreach (GemmEstimate estimate in estimates)
            {
                json.WriteStartObject();
                json.WriteString("name", estimate.Config.Name);
                json.WriteNumber("tiles", estimate.Tiles);
                json.WriteNumber("waves", estimate.Waves);
                json.WriteNumber("mainloop_cycles", estimate.MainloopCycles);
                json.WriteNumber("epilogue_cycles", estimate.EpilogueCycles);
                json.WriteNumber("cycles", estimate.Cycles);
                json.WriteNumber("expected_seconds", Seconds(estimate));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static GemmEstimate[] ChosenFirst(GemmShape shape, GemmEstimate[] estimates)
    {
        GemmEstimate chosen = Sm90GemmChoice.Of(shape, estimates);
        return [chosen, .. estimates.Where(estimate => estimate != chosen).OrderBy(estimate => estimate.Cycles)];
    }

    private double Seconds(GemmEstimate estimate) => estimate.Cycles / (1e3 * clockKHz);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
