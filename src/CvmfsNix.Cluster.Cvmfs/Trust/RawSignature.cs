using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Encodings;
using Org.BouncyCastle.Crypto.Engines;
using Org.BouncyCastle.Security;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>
/// RSA signatures with PKCS#1 v1.5 type-1 padding put directly around a payload: EM = 00 01 FF…FF 00 payload, signature = EM^d mod n.
/// The platform's own signing always wraps a digest, which the whitelist's construction does not, and a host's policy may forbid
/// SHA-1 signatures, which the manifest's needs.
/// </summary>
internal static class RawSignature
{
    private const int PaddingMin = 11;
    private const int KeyBytesMax = 2048;

    // DER of DigestInfo { sha1, NULL } up to the digest.
    private static readonly byte[] Sha1DigestInfo = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

    /// <summary>The payload of a standard "sign with SHA-1".</summary>
    public static byte[] Sha1Payload(ReadOnlySpan<byte> message) => [.. Sha1DigestInfo, .. SHA1.HashData(message)];

    /// <summary>Signs a payload; as long as the key.</summary>
    public static byte[] Sign(RSA key, byte[] payload)
    {
        var pair = DotNetUtilities.GetRsaKeyPair(key.ExportParameters(includePrivateParameters: true));
        var engine = new Pkcs1Encoding(new RsaBlindedEngine());
        engine.Init(true, pair.Private);
        return engine.ProcessBlock(payload, 0, payload.Length);
    }

    /// <summary>
    /// True only when the signature opens to exactly the padded payload. The expected block is built and compared, nothing is parsed, so that
    /// no lenient padding can pass; every error counts as false.
    /// </summary>
    public static bool Verify(RSA key, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> signature)
    {
        RSAParameters parameters;
        try
        {
            parameters = key.ExportParameters(includePrivateParameters: false);
        }
        catch (CryptographicException)
        {
            return false;
        }

        var modulusBytes = parameters.Modulus!.AsSpan().TrimStart((byte)0);
        var length = modulusBytes.Length;
        if (length > KeyBytesMax || signature.Length != length || payload.Length > length - PaddingMin) return false;
        var modulus = new BigInteger(modulusBytes, isUnsigned: true, isBigEndian: true);
        var number = new BigInteger(signature, isUnsigned: true, isBigEndian: true);
        var exponent = new BigInteger(parameters.Exponent, isUnsigned: true, isBigEndian: true);
        // A real public exponent is 65537 or so; a giant one would only cost time.
        if (number >= modulus || exponent.GetBitLength() > 64) return false;

        var opened = new byte[length];
        var block = BigInteger.ModPow(number, exponent, modulus).ToByteArray(isUnsigned: true, isBigEndian: true);
        block.CopyTo(opened.AsSpan(length - block.Length));

        var expected = new byte[length];
        expected[1] = 1;
        expected.AsSpan(2, length - payload.Length - 3).Fill(0xFF);
        payload.CopyTo(expected.AsSpan(length - payload.Length));
        return opened.AsSpan().SequenceEqual(expected);
    }
}
