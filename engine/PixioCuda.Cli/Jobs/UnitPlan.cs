using System.Globalization;
using PixioCuda.Cli.Pictures;
using PixioCuda.Pipeline;

namespace PixioCuda.Cli.Jobs;

/// <summary>Cuts the pictures that some words stand for into units: every tar file is one, whatever else there is fills parts of a fixed
/// number of pictures. The same words give the same units in the same order, whoever counts.</summary>
internal sealed class UnitPlan(IEnumerable<string> words, int partSize)
{
    /// <summary>The units, found as they are enumerated. Pictures fill a part across tar files that lie between them.</summary>
    /// <exception cref="PictureSourceException">As <see cref="PictureSource.Of"/>.</exception>
    /// <exception cref="UsageException">Two units would have one name.</exception>
    public IEnumerable<JobUnit> Units()
    {
        long index = 0, parts = 0;
        HashSet<string> tars = new(StringComparer.Ordinal);
        List<PictureInput> part = [];
        foreach (PictureInput input in words.SelectMany(PictureWords.Resolve))
        {
            if (input.Kind == PictureInputKind.Tar)
            {
                string name = Path.GetFileNameWithoutExtension(input.FilePath);
                if (!tars.Add(name) || IsPartName(name))
                {
                    throw new UsageException(
                        $"The outputs of '{input.FilePath}' would have a name that others have: embed it into a folder of its own.");
                }

                yield return new JobUnit(index++, name, [input]);
                continue;
            }

            part.Add(input);
            if (part.Count == partSize)
            {
                yield return Part();
                part = [];
            }
        }

        if (part.Count > 0)
            yield return Part();

        JobUnit Part() => new(index++, string.Create(CultureInfo.InvariantCulture, $"part-{parts++:D5}"), part);
    }

    private static bool IsPartName(string name) =>
        name.StartsWith("part-", StringComparison.Ordinal) && name.Length >= 10 && name.AsSpan(5).IndexOfAnyExceptInRange('0', '9') < 0;
}
