namespace CvmfsNix.Cluster.Fuzz.Running;

/// <summary>
/// Tells outcomes apart by their text without the parts that vary with the input. A new one shows that an input reached code that
/// no other reached, which makes it a good one to change further.
/// </summary>
public sealed class OutcomeShapes
{
    // Texts that quote the input have no end of shapes; enough is enough.
    private const int Max = 1000;
    private const int LettersMax = 90;

    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

    /// <summary>Different outcomes seen.</summary>
    public int Count => _seen.Count;

    /// <summary>True when nothing like it came before.</summary>
    public bool IsNew(string outcome)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        return _seen.Count < Max && _seen.Add(Shape(outcome));
    }

    private static string Shape(string outcome)
    {
        Span<char> shape = stackalloc char[LettersMax];
        int length = 0;
        bool quoted = false;
        foreach (char c in outcome)
        {
            if (length == LettersMax)
                break;
            if (c is '\'' or '"')
                quoted = !quoted;
            else if (!quoted && char.IsAsciiLetter(c))
                shape[length++] = c;
        }

        return new string(shape[..length]);
    }
}
