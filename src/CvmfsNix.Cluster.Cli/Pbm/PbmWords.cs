using System.Text;

namespace CvmfsNix.Cluster.Cli.Pbm;

/// <summary>Splits a line of the shell into words. Quotes keep blanks together.</summary>
internal static class PbmWords
{
    /// <summary>The words of a line.</summary>
    public static IReadOnlyList<string> Split(string line) => Split(line, out _);

    /// <summary>The words of a line.</summary>
    /// <param name="line">The line.</param>
    /// <param name="begun">Where the word that is being typed begins; the length of the line when a new one would begin.</param>
    public static IReadOnlyList<string> Split(string line, out int begun)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        char quote = '\0';
        bool inside = false;
        begun = 0;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (quote != '\0')
            {
                if (c == quote)
                    quote = '\0';
                else
                    word.Append(c);
            }
            else if (c is '"' or '\'')
            {
                (quote, inside) = (c, true);
            }
            else if (char.IsWhiteSpace(c))
            {
                if (inside)
                    words.Add(word.ToString());
                word.Clear();
                inside = false;
                begun = i + 1;
            }
            else
            {
                inside = true;
                word.Append(c);
            }
        }

        if (inside)
            words.Add(word.ToString());
        return words;
    }
}
