using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// A token that a node made: <c>cvn_ID_SECRET</c>, with an id of 8 and a secret of 64 hexadecimal digits (256 random bits). The fixed head lets programs
/// that look for leaked secrets find it.
/// </summary>
/// <param name="Id">No secret.</param>
/// <param name="Text">The whole token.</param>
public sealed record TokenSecret(string Id, string Text)
{
    private const string Head = "cvn_";
    private const int IdLength = 8;
    private const int SecretBytes = 32;
    private const int Length = 4 + IdLength + 1 + (2 * SecretBytes);

    /// <summary>SHA-256 of the whole token, lower-case hex: all that is kept of it.</summary>
    public string Digest => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(Text)));

    /// <summary>A new one.</summary>
    public static TokenSecret New()
    {
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdLength / 2));
        return new TokenSecret(id, $"{Head}{id}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes))}");
    }

    /// <summary>Reads one; null for a text of another shape.</summary>
    public static TokenSecret? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length == Length && text.StartsWith(Head, StringComparison.Ordinal) && text[Head.Length + IdLength] == '_'
            && text.AsSpan(Head.Length, IdLength).IndexOfAnyExcept(Hex) < 0 && text.AsSpan(Head.Length + IdLength + 1).IndexOfAnyExcept(Hex) < 0
            ? new TokenSecret(text.Substring(Head.Length, IdLength), text)
            : null;
    }

    /// <summary>Whether it is the one a digest was kept of; takes the same time wherever they differ.</summary>
    public bool Fits(string digest)
    {
        ArgumentNullException.ThrowIfNull(digest);
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Digest), Encoding.ASCII.GetBytes(digest));
    }

    // A record would print the secret.
    /// <inheritdoc/>
    public override string ToString() => Head + Id;

    private static readonly System.Buffers.SearchValues<char> Hex = System.Buffers.SearchValues.Create("0123456789abcdef");
}
