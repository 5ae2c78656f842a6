using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// The tokens that open the node's writing surfaces. Without tokens everyone may; the options allow that on loopback, or when it was said aloud.
/// Only digests are kept, and they are compared in constant time.
/// </summary>
public sealed class AccessTokens
{
    private const int FileSizeMax = 1 << 20;
    private const string Scheme = "Bearer ";
    private readonly byte[][]? _digests;

    private AccessTokens(byte[][]? digests) => _digests = digests;

    /// <summary>Nobody is asked for a token.</summary>
    public static AccessTokens Off { get; } = new(null);

    /// <summary>True when a token is asked for.</summary>
    public bool Required => _digests is not null;

    /// <summary>Takes the given tokens.</summary>
    public static AccessTokens Of(IEnumerable<string> tokens) =>
        new([.. tokens.Distinct(StringComparer.Ordinal).Select(t => SHA256.HashData(Encoding.UTF8.GetBytes(t)))]);

    /// <summary>Reads tokens one a line; blank lines and lines that start with # are skipped.</summary>
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
            if (line.Length < 8 || line.Any(c => c is <= ' ' or > '~'))
                throw new InvalidDataException($"Line {i + 1} of the token file {file} is no token: at least 8 printable ASCII characters without blanks.");
            tokens.Add(line);
        }

        return tokens.Count > 0 ? tokens : throw new InvalidDataException($"The token file {file} holds no token.");
    }

    /// <summary>True when the value of an <c>Authorization</c> header opens the door.</summary>
    public bool Admits(string? authorization)
    {
        if (_digests is null)
            return true;
        if (authorization is null || !authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return false;
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(authorization[Scheme.Length..].Trim()));
        bool admitted = false;
        foreach (byte[] known in _digests)
            admitted |= CryptographicOperations.FixedTimeEquals(known, digest);
        return admitted;
    }
}
