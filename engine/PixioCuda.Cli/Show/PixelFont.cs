namespace PixioCuda.Cli.Show;

/// <summary>Letters of 5 x 8 pixels for captions: the same pixels on every machine, fonts or none.</summary>
internal static class PixelFont
{
    public const int GlyphWidth = 5;
    public const int GlyphHeight = 8;

    /// <summary>From one letter to the next.</summary>
    public const int Advance = GlyphWidth + 1;

    // Bands of letters side by side, each band headed by the letters themselves; the eighth row is for descenders.
    private const string Sheet = """
        A     B     C     D     E     F     G     H     I     J     K     L     M
         ###  ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   #
        #   # #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ##
        #   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # #
        ##### ####  #     #   # ####  ####  # ### #####   #      #  ##    #     # # #
        #   # #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   #
        #   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   #
        #   # ####   ###  ####  ##### #      ###  #   #  ###   ##   #   # ##### #   #

        N     O     P     Q     R     S     T     U     V     W     X     Y     Z
        #   #  ###  ####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####
        ##  # #   # #   # #   # #   # #       #   #   # #   # #   # #   # #   #     #
        # # # #   # #   # #   # #   # #       #   #   # #   # #   #  # #   # #     #
        # # # #   # ####  #   # ####   ###    #   #   # #   # # # #   #     #     #
        #  ## #   # #     # # # # #       #   #   #   # #   # # # #  # #    #    #
        #   # #   # #     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #
        #   #  ###  #      ## # #   # ####    #    ###    #   #   # #   #   #   #####

        a     b     c     d     e     f     g     h     i     j     k     l     m
              #               #         ##        #       #      #  #      ##
              #               #        #  #       #                 #       #
         ###  ####   ###   ####  ###  #      #### ####   ##     ##  #  #    #   ## #
            # #   # #     #   # #   # ####  #   # #   #   #      #  # #     #   # # #
         #### #   # #     #   # ##### #     #   # #   #   #      #  ##      #   # # #
        #   # #   # #     #   # #     #      #### #   #   #      #  # #     #   # # #
         #### ####   ###   ####  ###  #         # #   #  ###  #  #  #  #   ###  #   #
                                             ###               ##

        n     o     p     q     r     s     t     u     v     w     x     y     z
                                             #
                                             #
        ####   ###  ####   #### # ##   #### ####  #   # #   # #   # #   # #   # #####
        #   # #   # #   # #   # ##  # #      #    #   # #   # #   #  # #  #   #    #
        #   # #   # #   # #   # #      ###   #    #   # #   # # # #   #   #   #   #
        #   # #   # ####   #### #         #  #  # #   #  # #  # # #  # #   ####  #
        #   #  ###  #         # #     ####    ##   ####   #    # #  #   #     # #####
                    #         #                                            ###

        0     1     2     3     4     5     6     7     8     9     .     ,     :
         ###    #    ###   ###     #  #####  ###  #####  ###   ###
        #   #  ##   #   # #   #   ##  #     #   #     # #   # #   #
        #  ##   #       #     #  # #  ####  #        #  #   # #   #               #
        # # #   #      #    ##  #  #      # ####    #    ###   ####
        ##  #   #     #       # #####     # #   #   #   #   #     #
        #   #   #    #    #   #    #  #   # #   #   #   #   # #   #   #     #     #
         ###   ###  #####  ###     #   ###   ###    #    ###   ###    #     #
                                                                           #

        -     _     /     @     (     )     =     +     %     ~     '     *     ?
                        #  ###     #   #                ##  #         #          ###
                        # #   #   #     #           #   ##  #         #    # #  #   #
                       #  # ###  #       #  #####   #      #   #             #      #
        #####         #   # # #  #       #        #####   #   # # #        #####   #
                     #    # ###  #       #  #####   #    #       #           #    #
                    #     #       #     #           #   #  ##              # #
              ##### #      ###     #   #                #  ##                     #
        """;

    private static readonly Dictionary<char, bool[]> Glyphs = Parse();

    /// <summary>How wide a text is.</summary>
    public static int Measure(string text) => text.Length == 0 ? 0 : (text.Length * Advance) - 1;

    /// <summary>The pixels of a text; letters that are not known become question marks.</summary>
    /// <returns>[8, width] of <see cref="Measure"/>, row-major.</returns>
    public static bool[] Draw(string text)
    {
        int width = Measure(text);
        bool[] pixels = new bool[GlyphHeight * width];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == ' ')
                continue;
            bool[] glyph = Glyphs.TryGetValue(text[i], out bool[]? known) ? known : Glyphs['?'];
            for (int row = 0; row < GlyphHeight; row++)
                glyph.AsSpan(row * GlyphWidth, GlyphWidth).CopyTo(pixels.AsSpan((row * width) + (i * Advance)));
        }

        return pixels;
    }

    private static Dictionary<char, bool[]> Parse()
    {
        Dictionary<char, bool[]> glyphs = [];
        string[] lines = Sheet.ReplaceLineEndings("\n").Split('\n');
        // A band is its heading and eight rows, the last of which may be the empty line between two bands.
        for (int heading = 0; heading < lines.Length; heading += 1 + GlyphHeight)
        {
            for (int column = 0; column < lines[heading].Length; column += Advance)
                glyphs.Add(lines[heading][column], Glyph(lines, heading + 1, column));
            if (heading + 1 + GlyphHeight < lines.Length && lines[heading + 1 + GlyphHeight].Length == 0)
                heading++;
        }

        return glyphs;
    }

    private static bool[] Glyph(string[] lines, int top, int left)
    {
        bool[] glyph = new bool[GlyphHeight * GlyphWidth];
        for (int row = 0; row < GlyphHeight; row++)
        {
            string line = top + row < lines.Length ? lines[top + row] : "";
            for (int column = 0; column < GlyphWidth; column++)
                glyph[(row * GlyphWidth) + column] = left + column < line.Length && line[left + column] == '#';
        }

        return glyph;
    }
}
