using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>
/// Content of <c>.cvmfspublished</c>, the signed head of a repository: one line per key, the key's letter followed by the value,
/// in the order C B R D S G A N X H T M Y. Unknown keys are passed over; the last of several equal keys counts.
/// </summary>
public sealed record Manifest
{
    /// <summary>MD5 of the root path, the only value the key R may have.</summary>
    private const string RootPathMd5 = "d41d8cd98f00b204e9800998ecf8427e";

    /// <summary>Tools that load a manifest from disk take fewer bytes than this.</summary>
    private const int PrintedLengthMax = 4095;

    /// <summary>C: root catalog; its algorithm is the repository's.</summary>
    public required ObjectHash RootHash { get; init; }

    /// <summary>B: bytes of the uncompressed root catalog; 0 where not given.</summary>
    public required long RootSize { get; init; }

    /// <summary>D: a copy of the root catalog's time to live, in seconds.</summary>
    public required int TtlSeconds { get; init; }

    /// <summary>S: must equal the root catalog's revision and grow with every publish.</summary>
    public required ulong Revision { get; init; }

    /// <summary>G.</summary>
    public bool GarbageCollectable { get; init; }

    /// <summary>A.</summary>
    public bool AlternativePaths { get; init; }

    /// <summary>N.</summary>
    public required string RepositoryName { get; init; }

    /// <summary>X: signing certificate.</summary>
    public required ObjectHash Certificate { get; init; }

    /// <summary>H: tag database.</summary>
    public ObjectHash? History { get; init; }

    /// <summary>T: whole seconds; never goes back, and at least the root catalog's last modification.</summary>
    public required DateTimeOffset PublishedAt { get; init; }

    /// <summary>M: metainfo object.</summary>
    public ObjectHash? MetaInfo { get; init; }

    /// <summary>Y: digest of the reflog file.</summary>
    public ObjectHash? ReflogChecksum { get; init; }

    /// <summary>Reads a manifest file. Nothing is verified yet.</summary>
    /// <exception cref="ManifestFormatException">Not a manifest, or one without a needed key.</exception>
    public static SignedManifest ParseSigned(ReadOnlyMemory<byte> file)
    {
        var parts = SignedText.Split(file, out var fault) ?? throw new ManifestFormatException($"Not a manifest: {fault}.");
        return new SignedManifest(ParseBody(parts.Body.Span), file, parts.PrintedHash, parts.Signature);
    }

    /// <summary>Prints and signs with the certificate's private key.</summary>
    /// <exception cref="ManifestFormatException">A value cannot be written.</exception>
    public SignedManifest Sign(RSA signingKey)
    {
        ArgumentNullException.ThrowIfNull(signingKey);
        var body = ToBody();
        var hash = ObjectHasher.Hash(RootHash.Algorithm, body);
        var signature = SignSha1(signingKey, SignedText.Message(hash));
        return new SignedManifest(this, SignedText.Join(body, hash, signature), hash, signature);
    }

    /// <summary>The lines in front of <c>--</c>.</summary>
    /// <exception cref="ManifestFormatException">A value cannot be written.</exception>
    public byte[] ToBody()
    {
        if (!Objects.RepositoryName.IsValid(RepositoryName)) throw new ManifestFormatException($"'{Excerpt.Of(RepositoryName)}' is no repository name.");
        if (RootSize < 0 || TtlSeconds < 0) throw new ManifestFormatException("Root size and TTL of a manifest cannot be negative.");
        var seconds = PublishedAt.ToUnixTimeSeconds();
        if (seconds < 0) throw new ManifestFormatException($"The time {PublishedAt:O} lies before 1970.");
        var text = new StringBuilder();
        Line('C', RootHash.ToString());
        Line('B', RootSize.ToString(CultureInfo.InvariantCulture));
        Line('R', RootPathMd5);
        Line('D', TtlSeconds.ToString(CultureInfo.InvariantCulture));
        Line('S', Revision.ToString(CultureInfo.InvariantCulture));
        Line('G', GarbageCollectable ? "yes" : "no");
        Line('A', AlternativePaths ? "yes" : "no");
        Line('N', RepositoryName);
        Line('X', Certificate.ToString());
        Line('H', History?.ToString());
        Line('T', seconds.ToString(CultureInfo.InvariantCulture));
        Line('M', MetaInfo?.ToString());
        Line('Y', ReflogChecksum?.ToString());
        return text.Length <= PrintedLengthMax ? Encoding.ASCII.GetBytes(text.ToString()) : throw new ManifestFormatException("The manifest is too long.");

        void Line(char key, string? value)
        {
            if (value is not null) text.Append(key).Append(value).Append('\n');
        }
    }

    private static byte[] SignSha1(RSA key, byte[] message)
    {
        try
        {
            return key.SignData(message, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1);
        }
        catch (CryptographicException)
        {
            return RawSignature.Sign(key, RawSignature.Sha1Payload(message));
        }
    }

    private static Manifest ParseBody(ReadOnlySpan<byte> body)
    {
        var values = new string?[128];
        foreach (var range in body.Split((byte)'\n'))
        {
            var line = body[range];
            if (line.IsEmpty || line[0] >= 128) continue;
            values[line[0]] = Encoding.UTF8.GetString(line[1..]);
        }

        var name = Needed('N');
        if (!Objects.RepositoryName.IsValid(name)) throw new ManifestFormatException($"'{Excerpt.Of(name)}' (key N) is no repository name.");
        if (Needed('R') != RootPathMd5) throw new ManifestFormatException($"The manifest's root path (key R) is not the repository root: '{Excerpt.Of(Needed('R'))}'.");
        return new Manifest
        {
            RootHash = Hash('C', Needed('C')),
            RootSize = values['B'] is null ? 0 : Number('B', long.MaxValue),
            TtlSeconds = (int)Number('D', int.MaxValue),
            Revision = ulong.TryParse(Needed('S'), NumberStyles.None, CultureInfo.InvariantCulture, out var revision) ? revision : throw Bad('S', "a revision number"),
            GarbageCollectable = YesNo('G'),
            AlternativePaths = YesNo('A'),
            RepositoryName = name,
            Certificate = Hash('X', Needed('X')),
            History = Optional('H'),
            PublishedAt = DateTimeOffset.FromUnixTimeSeconds(Number('T', DateTimeOffset.MaxValue.ToUnixTimeSeconds())),
            MetaInfo = Optional('M'),
            ReflogChecksum = Optional('Y'),
        };

        string Needed(char key) => values[key] ?? throw new ManifestFormatException($"The manifest lacks the key {key}.");

        ManifestFormatException Bad(char key, string expected) => new($"The manifest's key {key} holds '{Excerpt.Of(values[key])}' where {expected} is expected.");

        ObjectHash Hash(char key, string text) => ObjectHash.TryParse(text, out var hash) && !hash.IsNull ? hash : throw Bad(key, "an object hash");

        ObjectHash? Optional(char key) => values[key] is { } text ? Hash(key, text) : null;

        long Number(char key, long max) =>
            long.TryParse(Needed(key), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= max ? number : throw Bad(key, $"a number up to {max}");

        bool YesNo(char key) => values[key] switch { "yes" => true, "no" or null => false, _ => throw Bad(key, "yes or no") };
    }
}
