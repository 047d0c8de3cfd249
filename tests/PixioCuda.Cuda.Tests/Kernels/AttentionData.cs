using PixioCuda.Kernels;

namespace PixioCuda.Cuda.Tests;

/// <summary>Queries, keys and values, as the element type of a shape holds them.</summary>
internal static class AttentionData
{
    public static int ContextLength(AttentionShape shape) => shape.Batch * shape.QueryTokens * shape.Heads * shape.HeadDim;

    /// <summary>All of standard deviation 1: scores of a few.</summary>
    public static float[] Normal(AttentionShape shape) => Numbers.Rounded(Numbers.Normal("qkv", Length(shape)), shape.Element);

    /// <summary>Each query is some key, both large: one score of several hundred in each row, under which all others vanish.</summary>
    public static float[] Sharp(AttentionShape shape)
    {
        float[] qkv = Numbers.Normal("sharp", Length(shape));
        int hidden = shape.Heads * shape.HeadDim;
        for (int token = 0; token < shape.Batch * shape.Tokens; token++)
        {
            for (int i = 0; i < hidden; i++)
                qkv[(((token * 3) + 1) * hidden) + i] *= 12;
        }

        for (int token = 0; token < shape.Batch * shape.Tokens; token++)
        {
            int key = (token / shape.Tokens * shape.Tokens) + (token * 5 % shape.Tokens);
            for (int i = 0; i < hidden; i++)
                qkv[(token * 3 * hidden) + i] = qkv[(((key * 3) + 1) * hidden) + i];
        }

        return Numbers.Rounded(qkv, shape.Element);
    }

    /// <summary>What massive activations do: all keys have one large vector in common, along which the queries lie, so that every score is
    /// about 300 and what tells them apart is small beside it.</summary>
    public static float[] Alike(AttentionShape shape)
    {
        float[] qkv = Numbers.Normal("alike", Length(shape));
        int hidden = shape.Heads * shape.HeadDim;
        float[] common = Numbers.Normal("common", hidden, scale: 10);
        // |common|^2 is about 100 D, so that with queries of common / 10 sqrt(D) * 30 the scores are about 300.
        double along = 30 / (10 * Math.Sqrt(shape.HeadDim));
        for (int token = 0; token < shape.Batch * shape.Tokens; token++)
        {
            for (int i = 0; i < hidden; i++)
            {
                qkv[(token * 3 * hidden) + i] = (float)(along * common[i]) + (0.1f * qkv[(token * 3 * hidden) + i]);
                qkv[(((token * 3) + 1) * hidden) + i] = common[i] + (0.3f * qkv[(((token * 3) + 1) * hidden) + i]);
            }
        }

        return Numbers.Rounded(qkv, shape.Element);
    }

    private static int Length(AttentionShape shape) => shape.Batch * shape.Tokens * 3 * shape.Heads * shape.HeadDim;
}
