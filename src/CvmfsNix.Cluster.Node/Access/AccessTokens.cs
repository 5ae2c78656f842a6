using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Model.Replicas;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// The tokens that open the node's writing surfaces. Without tokens everyone may; the options allow that on loopback, or when it was said aloud.
/// A token comes as <c>Bearer TOKEN</c> or as the password of <c>Basic</c>. A token bound to a replica opens nothing but that replica's stream. Only digests are kept, and they are compared in constant time.
/// </summary>
public sealed class AccessTokens
{
    private const int FileSizeMax = 1 << 20;
    private const string Scheme = "Bearer ";
    private const string PasswordScheme = "Basic ";
    private const string ReplicaMark = " replica:";
    private readonly (byte[] Digest, string? Replica)[]? _digests;

    private AccessTokens((byte[], string?)[]? digests) => _digests = digests;

    /// <summary>Nobody is asked for a token.</summary>
    public static AccessTokens Off { get; } = new(null);

    /// <summary>True when a token is asked for.</summary>
    public bool Required => _digests is not null;

    /// <summary>Takes the given tokens, as lines of a token file.</summary>
    public static AccessTokens Of(IEnumerable<string> tokens) => new([.. tokens.Distinct(StringComparer.Ordinal).Select(line =>
    {
        var (token, replica) = Split(line);
        return (SHA256.HashData(Encoding.UTF8.GetBytes(token)), replica);
    })]);

    /// <summary>
    /// Reads tokens one a line, <c>TOKEN</c> or <c>TOKEN replica:ID</c>; blank lines and lines that start with # are skipped.
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
            var (token, replica) = Split(line);
            if (token.Length < 8 || token.Any(c => c is <= ' ' or > '~'))
                throw new InvalidDataException($"Line {i + 1} of the token file {file} is no token: at least 8 printable ASCII characters without blanks, and perhaps a blank and replica:ID behind it.");
            if (replica is not null && !ReplicaId.IsName(replica))
                throw new InvalidDataException($"Line {i + 1} of the token file {file} binds a token to \"{replica}\", which is no replica id: 1 to 64 letters, digits, dots, dashes or underscores.");
            tokens.Add(line);
        }

        return tokens.Count > 0 ? tokens : throw new InvalidDataException($"The token file {file} holds no token.");
    }

    /// <summary>True when the value of an <c>Authorization</c> header opens the door to everything.</summary>
    public bool Admits(string? authorization) => Find(authorization) is { Replica: null };

    /// <summary>True when the value opens any door at all.</summary>
    public bool Knows(string? authorization) => Find(authorization) is not null;

    /// <summary>True when the value opens the stream of a replica.</summary>
    public bool AdmitsReplica(string? authorization, string replica) => Find(authorization) is { } found && (found.Replica is null || found.Replica == replica);

    private Door? Find(string? authorization)
    {
        if (_digests is null)
            return new Door(null);
        if (TokenOf(authorization) is not { } token)
            return null;
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        Door? admitted = null;
        foreach (var (known, replica) in _digests)
        {
            if (CryptographicOperations.FixedTimeEquals(known, digest))
                admitted = new Door(replica);
        }

        return admitted;
    }

    // Nix knows no other place for a token than the password of a netrc file.
    private static string? TokenOf(string? authorization)
    {
        if (authorization is null)
            return null;
        if (authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return authorization[Scheme.Length..].Trim();
        if (!authorization.StartsWith(PasswordScheme, StringComparison.OrdinalIgnoreCase))
            return null;
        Span<byte> plain = new byte[authorization.Length];
        if (!Convert.TryFromBase64String(authorization[PasswordScheme.Length..].Trim(), plain, out int length))
            return null;
        string credentials = Encoding.UTF8.GetString(plain[..length]);
        int colon = credentials.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : credentials[(colon + 1)..];
    }

    private static (string Token, string? Replica) Split(string line) =>
        line.IndexOf(ReplicaMark, StringComparison.Ordinal) is var at and > 0 ? (line[..at].TrimEnd(), line[(at + ReplicaMark.Length)..]) : (line, null);

    // What a token opens: everything, or the stream of one replica.
    private sealed record Door(string? Replica);
}
