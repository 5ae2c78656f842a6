using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Crypto.Signers;

namespace CvmfsNix.Cluster.Nix.Signing;

/// <summary>The public half of a <see cref="NixSecretKey"/>, as in the <c>trusted-public-keys</c> of Nix.</summary>
public sealed record NixPublicKey
{
    private const int KeySize = 32;
    private const int SignatureSize = 64;

    /// <summary>Whether a text has the form of a signature, whatever it signs and by whom.</summary>
    public static bool IsSignature(string text) => KeyText.TryParse(text, SignatureSize, out _, out _);

    internal NixPublicKey(string name, byte[] key)
    {
        Name = name;
        Bytes = key;
    }

    /// <summary>The key's name.</summary>
    public string Name { get; }

    /// <summary>The 32 bytes of the key.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Reads <c>name:base64</c>.</summary>
    /// <exception cref="FormatException">It is no public key.</exception>
    public static NixPublicKey Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return KeyText.TryParse(text.Trim(), KeySize, out string name, out byte[] bytes)
            ? new NixPublicKey(name, bytes)
            : throw new FormatException("Not a Nix public key: expected the key's name, a colon and the base64 form of 32 bytes.");
    }

    /// <summary>Whether <paramref name="signature"/> carries this key's name and is its signature of <paramref name="fingerprint"/>. False for any text that is no signature.</summary>
    public bool Verify(string fingerprint, string signature)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        ArgumentNullException.ThrowIfNull(signature);
        if (!KeyText.TryParse(signature, SignatureSize, out string name, out byte[] bytes) || !string.Equals(name, Name, StringComparison.Ordinal))
            return false;
        byte[] message = System.Text.Encoding.UTF8.GetBytes(fingerprint);
        try
        {
            Ed25519Signer signer = new();
            signer.Init(forSigning: false, new Ed25519PublicKeyParameters(Bytes.ToArray(), 0));
            signer.BlockUpdate(message, 0, message.Length);
            return signer.VerifySignature(bytes);
        }
        catch (ArgumentException)
        {
            // Thirty-two bytes that are no point of the curve: nothing was ever signed with such a key.
            return false;
        }
    }

    public bool Equals(NixPublicKey? other) =>
        other is not null && string.Equals(Name, other.Name, StringComparison.Ordinal) && Bytes.Span.SequenceEqual(other.Bytes.Span);

    public override int GetHashCode() => string.GetHashCode(ToString(), StringComparison.Ordinal);

    public override string ToString() => KeyText.Format(Name, Bytes.Span);
}
