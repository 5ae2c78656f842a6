using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// The tokens of the token file. Without one everyone may do everything; the options allow that on loopback, or when it was said aloud.
/// A token alone in its line allows everything; scopes behind it allow no more than they say, and <c>replica:ID</c> the stream of that replica and
/// nothing else. Only digests are kept, and they are compared in constant time.
/// </summary>
public sealed class AccessTokens
{
    private const int FileSizeMax = 1 << 20;
    private const int LengthMin = 8;
    private const string ReplicaMark = "replica:";
    private static readonly IReadOnlyList<Scope> Everything = [new Scope(ScopeKind.Admin)];
    private readonly (byte[] Digest, Caller Caller)[]? _known;

    private AccessTokens((byte[], Caller)[]? known) => _known = known;

    /// <summary>Nobody is asked for a token.</summary>
    public static AccessTokens Off { get; } = new(null);

    /// <summary>True when a token is asked for.</summary>
    public bool Required => _known is not null;

    /// <summary>Takes the given tokens.</summary>
    /// <param name="lines">Of a token file.</param>
    /// <param name="operators">The token in the key folder, which allows everything; null = none.</param>
    /// <exception cref="InvalidDataException">A line is none of a token file.</exception>
    public static AccessTokens Of(IEnumerable<string> lines, string? operators = null)
    {
        ArgumentNullException.ThrowIfNull(lines);
        List<(byte[], Caller)> known = [.. lines.Distinct(StringComparer.Ordinal).Select(Known)];
        if (operators is not null)
            known.Add((Digest(operators), Caller.Of(AdminToken.FileName, Everything)));
        return new([.. known]);
    }

    /// <summary>
    /// Reads lines <c>TOKEN</c>, <c>TOKEN SCOPE…</c> or <c>TOKEN replica:ID</c>; blank lines and lines that start with # are skipped.
    /// </summary>
    /// <exception cref="InvalidDataException">It holds no token or an odd one.</exception>
    public static IReadOnlyList<string> ReadFile(string file)
    {
        if (new FileInfo(file).Length > FileSizeMax)
            throw new InvalidDataException($"The token file {file} has more than {FileSizeMax} bytes.");
        string[] lines = File.ReadAllLines(file);
        var tokens = new List<string>();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length == 0 || line.StartsWith('#'))
                continue;
            (string token, _, _, string problem) = Split(line);
            if (token.Length < LengthMin || token.Any(c => c is <= ' ' or > '~'))
                throw new InvalidDataException($"Line {i + 1} of the token file {file} is no token: at least {LengthMin} printable ASCII characters without blanks, and perhaps scopes or replica:ID behind it.");
            if (problem.Length > 0)
                throw new InvalidDataException($"Line {i + 1} of the token file {file} {problem}.");
            tokens.Add(line);
        }

        return tokens.Count > 0 ? tokens : throw new InvalidDataException($"The token file {file} holds no token.");
    }

    /// <summary>Whose token it is; null = it is not in the file.</summary>
    public Caller? Find(string? token)
    {
        if (_known is null || token is null)
            return null;
        byte[] digest = Digest(token);
        Caller? found = null;
        foreach ((byte[] known, Caller caller) in _known)
        {
            if (CryptographicOperations.FixedTimeEquals(known, digest))
                found = caller;
        }

        return found;
    }

    private static (byte[] Digest, Caller Caller) Known(string line, int index)
    {
        (string token, IReadOnlyList<Scope> scopes, string? replica, string problem) = Split(line);
        return problem.Length == 0
            ? (Digest(token), Caller.Of(replica is null ? $"token-file:{index + 1}" : $"token-file:replica:{replica}", scopes, replica))
            : throw new InvalidDataException($"A line of the token file {problem}.");
    }

    private static byte[] Digest(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    private static (string Token, IReadOnlyList<Scope> Scopes, string? Replica, string Problem) Split(string line)
    {
        string[] words = line.Split([' ', '\t'], 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length == 0)
            return ("", [], null, "is empty");
        if (words.Length == 1)
            return (words[0], Everything, null, "");
        if (words[1].StartsWith(ReplicaMark, StringComparison.Ordinal))
        {
            string replica = words[1][ReplicaMark.Length..];
            return (words[0], [new Scope(ScopeKind.Replicate, Scope.Any)], replica, ReplicaId.IsName(replica)
                ? ""
                : $"binds a token to \"{replica}\", which is no replica id: 1 to 64 letters, digits, dots, dashes or underscores");
        }

        return Scope.TryParseList(words[1], out IReadOnlyList<Scope> scopes, out string wrong)
            ? (words[0], scopes, null, "")
            : (words[0], [], null, $"has \"{wrong}\" behind a token, which is no scope; scopes are {Scope.Grammar}, or replica:ID alone");
    }
}
