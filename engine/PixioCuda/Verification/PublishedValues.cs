namespace PixioCuda.Verification;

/// <summary>What transformers' own test of Pixio expects of facebook/pixio-vith16 for the COCO image 000000039769, in float32.</summary>
/// <remarks>Source: transformers, <c>tests/models/pixio/test_modeling_pixio.py</c>.</remarks>
internal static class PublishedValues
{
    /// <summary>The largest distance that the test allows.</summary>
    public const double Tolerance = 1e-4;

    /// <summary>The first of the tokens: the first patch.</summary>
    public const int FirstToken = 8;

    /// <summary>last_hidden_state[0, 8:11, :3].</summary>
    public static float[,] Slice { get; } =
    {
        { 0.7420f, -1.4220f, 0.1580f },
        { 0.3938f, -1.4386f, 0.2878f },
        { 0.2898f, -1.4012f, 0.3667f },
    };

    /// <summary>The largest distance from the published values; not a number where one is not finite.</summary>
    /// <param name="readRow">Gives the first three values of a token of last_hidden_state[0].</param>
    public static double Distance(Func<int, float[]> readRow)
    {
        double largest = 0;
        for (int token = 0; token < Slice.GetLength(0); token++)
        {
            float[] row = readRow(FirstToken + token);
            for (int column = 0; column < Slice.GetLength(1); column++)
            {
                double distance = Math.Abs((double)row[column] - Slice[token, column]);
                if (!(distance <= largest))
                    largest = distance;
                if (double.IsNaN(largest))
                    return largest;
            }
        }

        return largest;
    }
}
