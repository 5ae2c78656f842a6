using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace CvmfsNix.Cluster.Nix.Signing;

/// <summary>An Ed25519 key that signs store paths. Its text is only given by <see cref="ToSecretString"/>, so that logging it shows nothing.</summary>
public sealed class NixSecretKey
{
    private const int SeedSize = 32;

    private readonly Ed25519PrivateKeyParameters _key;

    private NixSecretKey(string name, ReadOnlySpan<byte> seed)
    {
        _key = new Ed25519PrivateKeyParameters(seed.ToArray(), 0);
        PublicKey = new NixPublicKey(name, _key.GeneratePublicKey().GetEncoded());
    }

    /// <summary>The key's name, which signatures carry.</summary>
    public string Name => PublicKey.Name;

    public NixPublicKey PublicKey { get; }

    /// <summary>A new key from the system's random source.</summary>
    public static NixSecretKey Generate(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!KeyText.IsName(name))
            throw new ArgumentException($"\"{name}\" cannot name a key: use 1 to 255 printable ASCII characters without space and colon.", nameof(name));
        Span<byte> seed = stackalloc byte[SeedSize];
        RandomNumberGenerator.Fill(seed);
        NixSecretKey key = new(name, seed);
        CryptographicOperations.ZeroMemory(seed);
        return key;
    }

    /// <summary>Reads <c>name:base64</c> of seed (32 bytes) and public key (32 bytes).</summary>
    /// <exception cref="FormatException">It is no secret key, or its halves do not belong together. The message does not quote it.</exception>
    public static NixSecretKey Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!KeyText.TryParse(text.Trim(), 2 * SeedSize, out string name, out byte[] bytes))
            throw new FormatException("Not a Nix secret key: expected the key's name, a colon and the base64 form of 64 bytes, as nix-store --generate-binary-cache-key writes it.");
        NixSecretKey key = new(name, bytes.AsSpan(0, SeedSize));
        bool matches = key.PublicKey.Bytes.Span.SequenceEqual(bytes.AsSpan(SeedSize));
        CryptographicOperations.ZeroMemory(bytes);
        return matches
            ? key
            : throw new FormatException($"The Nix secret key {name} is damaged: its second half is not the public key of its first.");
    }

    /// <summary>The signature text <c>name:base64</c> over a fingerprint.</summary>
    public string Sign(string fingerprint)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        byte[] message = System.Text.Encoding.UTF8.GetBytes(fingerprint);
        Ed25519Signer signer = new();
        signer.Init(forSigning: true, _key);
        signer.BlockUpdate(message, 0, message.Length);
        return KeyText.Format(Name, signer.GenerateSignature());
    }

    /// <summary>The text form, which whoever holds it can sign with.</summary>
    public string ToSecretString() => KeyText.Format(Name, [.. _key.GetEncoded(), .. PublicKey.Bytes.Span]);

    public override string ToString() => $"secret key {Name}";
}
