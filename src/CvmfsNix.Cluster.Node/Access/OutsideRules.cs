namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// What the claims of an identity provider's token allow here. Lines of <c>CLAIM=VALUE… -&gt; SCOPE…</c>: all claims of a line have to be there with that value,
/// of which a * at the end stands for any rest; all lines that fit count. Blank lines and lines that start with # are skipped.
/// </summary>
public sealed class OutsideRules
{
    private const string Arrow = "->";
    private readonly IReadOnlyList<Rule> _rules;

    private OutsideRules(IReadOnlyList<Rule> rules) => _rules = rules;

    /// <summary>Reads rules.</summary>
    /// <exception cref="InvalidDataException">A line is no rule; says which.</exception>
    public static OutsideRules Parse(string text, string file)
    {
        ArgumentNullException.ThrowIfNull(text);
        var rules = new List<Rule>();
        foreach ((int index, string line) in text.Split('\n', StringSplitOptions.TrimEntries).Index())
        {
            if (line.Length == 0 || line.StartsWith('#'))
                continue;
            string[] sides = line.Split(Arrow, 2, StringSplitOptions.TrimEntries);
            string[] conditions = sides[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (sides.Length < 2 || conditions.Length == 0 || conditions.Any(c => c.IndexOf('=', StringComparison.Ordinal) <= 0))
                throw new InvalidDataException($"Line {index + 1} of {file} is not CLAIM=VALUE… {Arrow} SCOPE….");
            if (!Scope.TryParseList(sides[1], out IReadOnlyList<Scope> scopes, out string wrong))
                throw new InvalidDataException($"Line {index + 1} of {file}: \"{wrong}\" is no scope; scopes are {Scope.Grammar}.");
            rules.Add(new Rule([.. conditions.Select(c => c.Split('=', 2)).Select(c => (c[0], c[1]))], scopes));
        }

        return rules.Count > 0 ? new OutsideRules(rules) : throw new InvalidDataException($"{file} holds no rule.");
    }

    /// <summary>What claims allow.</summary>
    /// <param name="claims">Names and values; a name may come several times.</param>
    public IReadOnlyList<Scope> ScopesOf(ILookup<string, string> claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        return [.. _rules.Where(r => r.Conditions.All(c => claims[c.Claim].Any(v => Fits(v, c.Value)))).SelectMany(r => r.Scopes).Distinct()];
    }

    private static bool Fits(string value, string pattern) =>
        pattern.EndsWith('*') ? value.StartsWith(pattern[..^1], StringComparison.Ordinal) : value == pattern;

    private sealed record Rule(IReadOnlyList<(string Claim, string Value)> Conditions, IReadOnlyList<Scope> Scopes);
}
