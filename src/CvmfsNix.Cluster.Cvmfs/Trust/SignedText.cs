using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>
/// The envelope shared by manifest and whitelist:
/// <code>
/// body    = line*            each ended by \n
/// file    = body "--\n" hash-text "\n" signature-bytes
/// </code>
/// The digest covers the body alone; the signature is over the ASCII hash text.
/// </summary>
internal sealed record SignedText(ReadOnlyMemory<byte> Body, ObjectHash PrintedHash, ReadOnlyMemory<byte> Signature)
{
    /// <summary>Largest file, the limit of stock clients.</summary>
    public const int LengthMax = 1024 * 1024;

    /// <summary>Takes a file apart, or tells what is wrong.</summary>
    public static SignedText? Split(ReadOnlyMemory<byte> file, out string fault)
    {
        fault = "";
        if (file.Length > LengthMax) return Fail($"it has {file.Length} bytes, more than the allowed {LengthMax}", out fault);
        var bytes = file.Span;
        var separator = bytes.StartsWith("--\n"u8) ? 0 : bytes.IndexOf("\n--\n"u8) + 1;
        if (separator == 0) return Fail("the line '--' that ends its body is missing", out fault);
        var hashStart = separator + 3;
        var hashLength = bytes[hashStart..].IndexOf((byte)'\n');
        if (hashLength < 0) return Fail("the hash line behind '--' is missing", out fault);
        var text = Encoding.Latin1.GetString(bytes.Slice(hashStart, Math.Min(hashLength, 200)));
        if (hashLength > 200 || !ObjectHash.TryParse(text, out var hash)) return Fail($"'{Excerpt.Of(text)}' behind '--' is no hash", out fault);
        return new SignedText(file[..separator], hash, file[(hashStart + hashLength + 1)..]);
    }

    /// <summary>Puts a file together.</summary>
    public static byte[] Join(ReadOnlySpan<byte> body, ObjectHash hash, ReadOnlySpan<byte> signature)
    {
        using var file = new MemoryStream();
        file.Write(body);
        file.Write("--\n"u8);
        file.Write(Message(hash));
        file.WriteByte((byte)'\n');
        file.Write(signature);
        return file.ToArray();
    }

    /// <summary>What is signed: the hash text as ASCII, no newline.</summary>
    public static byte[] Message(ObjectHash hash) => Encoding.ASCII.GetBytes(hash.ToString());

    /// <summary>True when the body has the printed hash.</summary>
    public bool HashMatches() => ObjectHasher.Hash(PrintedHash.Algorithm, Body.Span) == PrintedHash;

    private static SignedText? Fail(string what, out string fault)
    {
        fault = what;
        return null;
    }
}
