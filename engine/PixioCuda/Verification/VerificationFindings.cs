using System.Globalization;
using PixioCuda.Weights;

namespace PixioCuda.Verification;

/// <summary>Says what is wrong, in whole sentences.</summary>
internal static class VerificationFindings
{
    public static void OfFiles(IReadOnlyList<FileHash> files, List<string> findings)
    {
        foreach (FileHash file in files.Where(file => file.Expected != file.Actual))
        {
            findings.Add(
                $"The file {MessageText.Quote(file.Name)} is not what was downloaded: its blob is named {file.Expected}, but its content "
                + $"has the hash {file.Actual}. Remove the blob and download it again.");
        }
    }

    public static void OfTensors(IReadOnlyList<TensorStatistics> tensors, List<string> findings)
    {
        foreach (TensorStatistics tensor in tensors)
        {
            if (tensor.NonFiniteCount > 0)
            {
                findings.Add(string.Create(CultureInfo.InvariantCulture,
                    $"The tensor {MessageText.Quote(tensor.Tensor.Name)} holds {tensor.NonFiniteCount:N0} values of "
                    + $"{tensor.Tensor.ElementCount:N0} that are not finite."));
            }
            else if (tensor.Tensor.Shape.Count(dimension => dimension > 1) >= 2 && tensor.ZeroCount == tensor.Tensor.ElementCount)
            {
                // A bias may well be zero; a matrix of zeros is what a file with a hole in it reads as.
                findings.Add($"The tensor {MessageText.Quote(tensor.Tensor.Name)} holds nothing but zeros.");
            }
        }
    }

    public static void OfOutputs(VerificationReport report, double? tolerance, List<string> findings)
    {
        Exceeding(report.Outputs, output => output.Device, output => output.Bound,
            $"On {report.Device}", "from the reference than float32 rounding explains", findings);
        Exceeding(report.Outputs, output => output.Against, output => tolerance ?? output.Bound,
            "Against the file", tolerance is null ? "away than float32 rounding explains" : "away than the tolerance allows", findings);
        if (!report.IsBatchInvariant)
            findings.Add($"On {report.Device} a picture's features depend on the batch that it is in.");
        if (report.PublishedDistance is double distance && !(distance <= PublishedValues.Tolerance))
        {
            findings.Add(string.Create(CultureInfo.InvariantCulture,
                $"The published values of facebook/pixio-vith16 are missed by {distance:0.00E+00}, where {PublishedValues.Tolerance:0E+00} "
                + $"is allowed: these are other weights, or {report.Input} is not the COCO image 000000039769."));
        }
    }

    private static void Exceeding(
        IReadOnlyList<OutputVerification> outputs, Func<OutputVerification, OutputDistance?> distanceOf,
        Func<OutputVerification, double> boundOf, string where, string what, List<string> findings)
    {
        // What is not a number is not within any bound.
        OutputVerification[] wrong =
            [.. outputs.Where(output => distanceOf(output) is OutputDistance distance && !(distance.RelativeL2 <= boundOf(output)))];
        if (wrong.Length == 0)
            return;
        OutputDistance first = distanceOf(wrong[0])!;
        int compared = outputs.Count(output => distanceOf(output) is not null);
        findings.Add(string.Create(CultureInfo.InvariantCulture,
            $"{where} {wrong.Length} of {compared} outputs are further {what}, from {wrong[0].Name} on: relative L2 error "
            + $"{first.RelativeL2:0.00E+00}, bound {boundOf(wrong[0]):0.00E+00}, worst at token {first.WorstToken} "
            + $"({first.WorstTokenRelativeL2:0.00E+00})."));
    }
}
