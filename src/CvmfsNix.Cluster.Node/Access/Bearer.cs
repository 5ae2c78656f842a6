using System.Text;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Where in a request its token stands.</summary>
public static class Bearer
{
    private const string Scheme = "Bearer ";
    private const string PasswordScheme = "Basic ";
    private const int LengthMax = 16 << 10;

    /// <summary>The token in the value of an <c>Authorization</c> header: behind <c>Bearer</c>, or the password of <c>Basic</c>; null = there is none.</summary>
    public static string? TokenOf(string? authorization)
    {
        if (string.IsNullOrEmpty(authorization) || authorization.Length > LengthMax)
            return null;
        if (authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return NonEmpty(authorization[Scheme.Length..].Trim());
        if (!authorization.StartsWith(PasswordScheme, StringComparison.OrdinalIgnoreCase))
            return null;
        // Nix, and browsers, know no other place for a token than a password.
        Span<byte> plain = new byte[authorization.Length];
        if (!Convert.TryFromBase64String(authorization[PasswordScheme.Length..].Trim(), plain, out int length))
            return null;
        string credentials = Encoding.UTF8.GetString(plain[..length]);
        int colon = credentials.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? null : NonEmpty(credentials[(colon + 1)..]);
    }

    private static string? NonEmpty(string text) => text.Length == 0 ? null : text;
}
