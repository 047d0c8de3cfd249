using System.Globalization;
using System.Text.Json;
using PixioCuda.Verification;

namespace PixioCuda.Cli.Output;

/// <summary>A verification's report as tables, or as JSON.</summary>
internal sealed class VerificationText(string name, VerificationReport report)
{
    private const string Nothing = "-";

    public void Print(CommandConsole console, bool withTensors)
    {
        FactTable.Print(console, Facts());
        TextWriter output = console.Out;
        if (withTensors)
        {
            output.WriteLine();
            TextTable.Print(
                output, ["tensor", "type", "shape", "not finite", "zeros", "min", "max", "mean", "std"],
                report.Tensors.Select(tensor => (string[])
                [
                    tensor.Tensor.Name, tensor.Tensor.DType.ToString(), $"[{string.Join(", ", tensor.Tensor.Shape)}]",
                    Text($"{tensor.NonFiniteCount}"), Text($"{tensor.ZeroCount}"),
                    Text($"{tensor.Minimum:G4}"), Text($"{tensor.Maximum:G4}"),
                    Text($"{tensor.Mean:G4}"), Text($"{tensor.StandardDeviation:G4}"),
                ]));
        }

        if (report.Outputs.Count > 0)
        {
            output.WriteLine();
            PrintOutputs(output);
        }

        output.WriteLine();
        foreach (string note in report.Notes)
            output.WriteLine($"note: {note}");
        foreach (string finding in report.Findings)
            output.WriteLine($"wrong: {finding}");
        output.WriteLine(report.Findings.Count switch
        {
            0 => "Nothing is wrong.",
            1 => "1 thing is wrong.",
            int count => Text($"{count} things are wrong."),
        });
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("model", name);
        json.WriteString("weights", report.Weights);
        json.WriteBoolean("random_weights", report.IsRandom);
        json.WriteString("device", report.Device);
        json.WriteString("reference", report.Reference);
        json.WriteString("input", report.Input);
        json.WriteString("recipe", report.Recipe);
        json.WriteString("pixio_version", PixioCommandLine.Version);
        json.WriteBoolean("is_right", report.Findings.Count == 0);
        json.WritePropertyName("findings");
        JsonText.WriteStrings(json, report.Findings);
        json.WritePropertyName("notes");
        JsonText.WriteStrings(json, report.Notes);
        json.WriteStartArray("files");
        foreach (FileHash file in report.Files)
        {
            json.WriteStartObject();
            json.WriteString("name", file.Name);
            json.WriteString("expected_hash", file.Expected);
            json.WriteString("actual_hash", file.Actual);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("tensors");
        foreach (TensorStatistics tensor in report.Tensors)
            Write(json, tensor);
        json.WriteEndArray();
        if (report.Outputs.Count > 0)
        {
            json.WriteBoolean("batch_invariant", report.IsBatchInvariant);
            WriteNumber(json, "published_distance", report.PublishedDistance);
            json.WriteStartArray("outputs");
            foreach (OutputVerification output in report.Outputs)
                Write(json, output);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private (string Name, string Value)[] Facts()
    {
        long values = report.Tensors.Sum(tensor => tensor.Tensor.ElementCount);
        long nonFinite = report.Tensors.Sum(tensor => tensor.NonFiniteCount);
        List<(string Name, string Value)> facts =
        [
            ("model", name),
            ("weights", $"{report.Weights}{(report.IsRandom ? " (random)" : "")}"),
            ("values", Text($"{values:N0} in {report.Tensors.Count} tensors, {nonFinite:N0} not finite")),
        ];
        if (report.Files.Count > 0)
        {
            int right = report.Files.Count(file => file.Expected == file.Actual);
            facts.Add(("files", Text($"{right} of {report.Files.Count} have the hash that their blob is named by")));
        }

        if (report.Outputs.Count == 0)
            return [.. facts];
        facts.Add(("device", report.Device));
        facts.Add(("reference", report.Reference));
        string recipe = report.Recipe is null ? "" : $", {report.Recipe}";
        facts.Add(("input", Text($"{report.Input}, {report.Shape} (batch x height x width){recipe}")));
        facts.Add(("batch", report.IsBatchInvariant ? "the same bits alone and among three" : "other bits among three than alone"));
        if (report.PublishedDistance is double distance)
            facts.Add(("published", Text($"{distance:0.00E+00} from the values that transformers publishes, 1E-04 allowed")));
        return [.. facts];
    }

    private void PrintOutputs(TextWriter output)
    {
        bool hasAgainst = report.Outputs.Any(row => row.Against is not null);
        string[] head = ["relative L2 error of", "device", "bound", "cosine", "worst token", "bf16 weights", "f16 weights"];
        TextTable.Print(output, hasAgainst ? [.. head, "against", "cosine", "worst token"] : head, report.Outputs.Select(row =>
        {
            string[] cells =
            [
                row.Name, Error(row.Device.RelativeL2), Error(row.Bound), Cosine(row.Device), Worst(row.Device),
                Error(row.BFloat16Weights.RelativeL2), Error(row.Float16Weights.RelativeL2),
            ];
            string[] against = row.Against is OutputDistance distance
                ? [Error(distance.RelativeL2), Cosine(distance), Worst(distance)]
                : [Nothing, Nothing, Nothing];
            return hasAgainst ? (string[])[.. cells, .. against] : cells;
        }));
    }

    private static string Error(double value) => Text($"{value:0.00E+00}");

    private static string Cosine(OutputDistance distance) => Text($"{distance.Cosine:F10}");

    private static string Worst(OutputDistance distance) => Text($"{distance.WorstTokenRelativeL2:0.00E+00} at {distance.WorstToken}");

    private static void Write(Utf8JsonWriter json, TensorStatistics tensor)
    {
        json.WriteStartObject();
        json.WriteString("name", tensor.Tensor.Name);
        json.WriteString("dtype", tensor.Tensor.DType.ToString());
        json.WriteStartArray("shape");
        foreach (long dimension in tensor.Tensor.Shape)
            json.WriteNumberValue(dimension);
        json.WriteEndArray();
        json.WriteNumber("non_finite", tensor.NonFiniteCount);
        json.WriteNumber("zeros", tensor.ZeroCount);
        WriteNumber(json, "min", tensor.Minimum);
        WriteNumber(json, "max", tensor.Maximum);
        WriteNumber(json, "mean", tensor.Mean);
        WriteNumber(json, "std", tensor.StandardDeviation);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, OutputVerification output)
    {
        json.WriteStartObject();
        json.WriteString("name", output.Name);
        WriteNumber(json, "bound", output.Bound);
        Write(json, "device", output.Device);
        Write(json, "bf16_weights", output.BFloat16Weights);
        Write(json, "f16_weights", output.Float16Weights);
        if (output.Against is OutputDistance against)
            Write(json, "against", against);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, OutputDistance distance)
    {
        json.WriteStartObject(name);
        WriteNumber(json, "relative_l2", distance.RelativeL2);
        WriteNumber(json, "cosine", distance.Cosine);
        json.WriteNumber("worst_token", distance.WorstToken);
        WriteNumber(json, "worst_token_relative_l2", distance.WorstTokenRelativeL2);
        json.WriteEndObject();
    }

    /// <summary>JSON has no word for what is not finite: it is null.</summary>
    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is double number && double.IsFinite(number))
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
