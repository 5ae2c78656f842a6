using CvmfsNix.Cluster.Nix.Encoding;

namespace CvmfsNix.Cluster.Nix.StorePaths;

/// <summary>Reads <c>algorithm:digest</c> for every algorithm a content address may use; the digest is hex, nix32 or base 64 by its length.</summary>
internal static class DigestText
{
    public static (string Algorithm, byte[] Digest) Parse(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string algorithm = colon < 0 ? "" : text[..colon];
        int size = algorithm switch { "md5" => 16, "sha1" => 20, "sha256" => 32, "sha512" => 64, _ => 0 };
        byte[] digest = new byte[size];
        ReadOnlySpan<char> digits = text.AsSpan(colon + 1);
        bool valid = size > 0 && (digits.Length == 2 * size
            ? Convert.FromHexString(digits, digest, out _, out _) == System.Buffers.OperationStatus.Done
            : Nix32.TryDecode(digits, digest) || (Convert.TryFromBase64Chars(digits, digest, out int written) && written == size));
        return valid
            ? (algorithm, digest)
            : throw new FormatException($"\"{text}\" is not a hash: expected md5, sha1, sha256 or sha512, a colon and hex, nix32 or base64.");
    }
}
