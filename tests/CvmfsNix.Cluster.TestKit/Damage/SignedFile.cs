using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>The two signed files of a repository, put together by hand: any text can be signed, a wrong one too.</summary>
internal static class SignedFile
{
    /// <summary>A manifest: the standard signature with SHA-1 over the hash text.</summary>
    public static byte[] Manifest(string body, RSA key) => Join(body, text => key.SignData(text, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1));

    /// <summary>A whitelist: type-1 padding around the hash text itself.</summary>
    public static byte[] Whitelist(string body, RSA key) => Join(body, text =>
    {
        RSAParameters parameters = key.ExportParameters(includePrivateParameters: true);
        int length = parameters.Modulus!.Length;
        byte[] block = [0, 1, .. Enumerable.Repeat((byte)0xFF, length - text.Length - 3), 0, .. text];
        BigInteger signature = BigInteger.ModPow(Number(block), Number(parameters.D!), Number(parameters.Modulus));
        byte[] digits = signature.ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[length - digits.Length], .. digits];

        static BigInteger Number(byte[] digits) => new(digits, isUnsigned: true, isBigEndian: true);
    });

    private static byte[] Join(string body, Func<byte[], byte[]> sign)
    {
        byte[] lines = Encoding.ASCII.GetBytes(body);
        byte[] text = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA1.HashData(lines)));
        return [.. lines, .. "--\n"u8, .. text, (byte)'\n', .. sign(text)];
    }
}
