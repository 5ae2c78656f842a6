using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>
/// Content of <c>.cvmfswhitelist</c>: which certificates may sign, until when. Lines in fixed order: creation time, <c>E</c> and expiry time,
/// <c>N</c> and repository name, then one fingerprint a line. Times are <c>YYYYMMDDhhmmss</c> in UTC.
/// </summary>
public sealed record Whitelist
{
    private const string TimeFormat = "yyyyMMddHHmmss";

    /// <summary>Written for people; readers pass over it. Whole seconds.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Whole seconds, but see <see cref="IsExpiredAt"/>.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    public required string RepositoryName { get; init; }

    /// <summary>Fingerprints as printed: upper-case hex pairs with colons, optional upper-case algorithm id.</summary>
    public required IReadOnlyList<string> Fingerprints { get; init; }

    /// <summary>Reads a whitelist file. Nothing is verified yet.</summary>
    /// <exception cref="WhitelistFormatException">Not a whitelist, or one of a kind that is not supported.</exception>
    public static SignedWhitelist ParseSigned(ReadOnlyMemory<byte> file)
    {
        var parts = SignedText.Split(file, out var fault) ?? throw new WhitelistFormatException($"Not a whitelist: {fault}.");
        return new SignedWhitelist(ParseBody(parts.Body.Span), file, parts.PrintedHash, parts.Signature);
    }

    /// <summary>Prints and signs with the master key. The digest's algorithm is free; stock tools use the repository's.</summary>
    /// <exception cref="WhitelistFormatException">A value cannot be written.</exception>
    public byte[] Sign(RSA masterKey, HashAlgorithmId algorithm = HashAlgorithmId.Sha1)
    {
        ArgumentNullException.ThrowIfNull(masterKey);
        var body = ToBody();
        var hash = ObjectHasher.Hash(algorithm, body);
        return SignedText.Join(body, hash, RawSignature.Sign(masterKey, SignedText.Message(hash)));
    }

    /// <summary>The lines in front of <c>--</c>.</summary>
    /// <exception cref="WhitelistFormatException">A value cannot be written.</exception>
    public byte[] ToBody()
    {
        if (!Objects.RepositoryName.IsValid(RepositoryName)) throw new WhitelistFormatException($"'{Excerpt.Of(RepositoryName)}' is no repository name.");
        if (Fingerprints.Count == 0) throw new WhitelistFormatException("A whitelist needs at least one fingerprint.");
        var text = new StringBuilder();
        text.Append(Print(CreatedAt)).Append('\n');
        text.Append('E').Append(Print(ExpiresAt)).Append('\n');
        text.Append('N').Append(RepositoryName).Append('\n');
        foreach (var fingerprint in Fingerprints)
        {
            if (fingerprint.AsSpan().IndexOfAny("\n# \t") >= 0 || ParseFingerprint(fingerprint) is null)
            {
                throw new WhitelistFormatException($"'{Excerpt.Of(fingerprint)}' is no certificate fingerprint.");
            }

            text.Append(fingerprint).Append('\n');
        }

        return Encoding.ASCII.GetBytes(text.ToString());

        static string Print(DateTimeOffset time) => time.ToUniversalTime().ToString(TimeFormat, CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// True when the whitelist no longer counts. Clients look at hours only: it counts while the current hour lies before the hour of expiry, so it is
    /// already dead at the start of that hour.
    /// </summary>
    public bool IsExpiredAt(DateTimeOffset now) => Hour(now) >= Hour(ExpiresAt);

    /// <summary>True when one of the fingerprints is the certificate's.</summary>
    public bool Lists(RepositoryCertificate certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return Fingerprints.Any(text => ParseFingerprint(text) is { } listed && ParseFingerprint(certificate.Fingerprint(listed.Algorithm)) == listed);
    }

    private static long Hour(DateTimeOffset time) => time.UtcTicks / TimeSpan.TicksPerHour;

    private static ObjectHash? ParseFingerprint(string text)
    {
        var end = text.AsSpan().IndexOfAny(' ', '\t', '#');
        var bare = (end < 0 ? text : text[..end]).Replace(":", "", StringComparison.Ordinal).ToLowerInvariant();
        return ObjectHash.TryParse(bare, out var hash) ? hash : null;
    }

    private static Whitelist ParseBody(ReadOnlySpan<byte> body)
    {
        var lines = Encoding.Latin1.GetString(body).Split('\n');
        if (lines.Length < 4) throw new WhitelistFormatException("Not a whitelist: the lines for creation, expiry and repository name are not all there.");
        var created = ParseTime(lines[0], "creation time");
        if (!lines[1].StartsWith('E')) throw new WhitelistFormatException($"Not a whitelist: its second line is '{Excerpt.Of(lines[1])}' where E and the expiry time are expected.");
        var expires = ParseTime(lines[1][1..], "expiry time");
        if (!lines[2].StartsWith('N') || !Objects.RepositoryName.IsValid(lines[2][1..]))
        {
            throw new WhitelistFormatException($"Not a whitelist: its third line is '{Excerpt.Of(lines[2])}' where N and a repository name are expected.");
        }

        var fingerprints = new List<string>();
        foreach (var line in lines.AsSpan(3))
        {
            if (line is "Vpkcs7" or "Wcachain") throw new WhitelistFormatException($"The whitelist asks for '{line}', which is not supported.");
            if (ParseFingerprint(line) is not null) fingerprints.Add(line);
        }

        if (fingerprints.Count == 0) throw new WhitelistFormatException("The whitelist lists no certificate fingerprint.");
        return new Whitelist { CreatedAt = created, ExpiresAt = expires, RepositoryName = lines[2][1..], Fingerprints = fingerprints };
    }

    private static DateTimeOffset ParseTime(string text, string what) =>
        DateTimeOffset.TryParseExact(text, TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : throw new WhitelistFormatException($"Not a whitelist: '{Excerpt.Of(text)}' is no {what} (YYYYMMDDhhmmss).");
}
