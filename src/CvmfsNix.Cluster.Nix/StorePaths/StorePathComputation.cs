using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.StorePaths;

/// <summary>
/// Computes the store path of content-addressed objects: SHA-256 of a fingerprint text, folded to 20 bytes.
/// Paths of derivation outputs that are addressed by their inputs cannot be computed from their content.
/// </summary>
public static class StorePathComputation
{
    private const string RecursivePrefix = "fixed:r:";
    private const string FlatPrefix = "fixed:";
    private const string TextPrefix = "text:";

    /// <summary>Path of a source or of a recursive SHA-256 fixed output: content addressed by its NAR.</summary>
    /// <param name="directory">The store directory, which is part of the hash.</param>
    /// <param name="name">The name after the dash.</param>
    /// <param name="narHash">The NAR hash; for a path that refers to itself, of the NAR with its own hash part masked.</param>
    /// <param name="references">Other paths it refers to, in any order, without itself.</param>
    /// <param name="selfReference">Whether it refers to itself.</param>
    public static StorePathName FromSource(
        StoreDirectory directory, string name, NarHash narHash, IEnumerable<StorePathName> references, bool selfReference)
    {
        ArgumentNullException.ThrowIfNull(directory);
        StringBuilder type = WithReferences("source", directory, references);
        if (selfReference)
            type.Append(":self");
        return Make(directory, type.ToString(), narHash, name);
    }

    /// <summary>Path of a fixed output that is flat (the bytes of one file) or not SHA-256.</summary>
    /// <param name="directory">The store directory.</param>
    /// <param name="name">The name after the dash.</param>
    /// <param name="algorithm"><c>md5</c>, <c>sha1</c>, <c>sha256</c> or <c>sha512</c>.</param>
    /// <param name="digest">The digest in that algorithm: of the file's bytes, or of the NAR.</param>
    /// <param name="recursive">Whether the digest is of the NAR. Recursive SHA-256 is the same as a source without references.</param>
    public static StorePathName FromFixedOutput(StoreDirectory directory, string name, string algorithm, ReadOnlySpan<byte> digest, bool recursive)
    {
        ArgumentNullException.ThrowIfNull(directory);
        int size = algorithm switch
        {
            "md5" => 16,
            "sha1" => 20,
            "sha256" => 32,
            "sha512" => 64,
            _ => throw new ArgumentException($"\"{algorithm}\" is none of md5, sha1, sha256, sha512.", nameof(algorithm)),
        };
        if (digest.Length != size)
            throw new ArgumentException($"A digest of {algorithm} has {size} bytes, not {digest.Length}.", nameof(digest));
        if (recursive && algorithm == "sha256")
            return FromSource(directory, name, new NarHash(digest), [], selfReference: false);

        string inner = $"fixed:out:{(recursive ? "r:" : "")}{algorithm}:{Convert.ToHexStringLower(digest)}:";
        return Make(directory, "output:out", Sha256(inner), name);
    }

    /// <summary>Path of a text file (derivations are such) with references.</summary>
    /// <param name="directory">The store directory.</param>
    /// <param name="name">The name after the dash.</param>
    /// <param name="textHash">SHA-256 of the file's bytes (not of its NAR).</param>
    /// <param name="references">Paths it refers to, in any order.</param>
    public static StorePathName FromText(StoreDirectory directory, string name, NarHash textHash, IEnumerable<StorePathName> references)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return Make(directory, WithReferences("text", directory, references).ToString(), textHash, name);
    }

    /// <summary>
    /// Whether <paramref name="path"/> is the path its content address gives, and the content address fits the NAR hash.
    /// Null when the NAR hash alone does not decide it: the address is of the flat file or text (the path is then still
    /// checked against the address, and false if it does not fit), or the path refers to itself (its address is of a masked NAR).
    /// </summary>
    /// <param name="directory">The store directory.</param>
    /// <param name="path">The path in question.</param>
    /// <param name="contentAddress">As in the <c>CA:</c> line of a narinfo: <c>fixed:r:sha256:…</c>, <c>fixed:sha256:…</c>, <c>text:sha256:…</c>.</param>
    /// <param name="narHash">Hash of the path's NAR.</param>
    /// <param name="references">All references, itself included where it refers to itself.</param>
    /// <exception cref="FormatException">The content address cannot be read.</exception>
    public static bool? Matches(
        StoreDirectory directory, StorePathName path, string contentAddress, NarHash narHash, IReadOnlyList<StorePathName> references)
    {
        ArgumentNullException.ThrowIfNull(contentAddress);
        ArgumentNullException.ThrowIfNull(references);
        bool self = references.Contains(path);
        StorePathName[] others = [.. references.Where(r => r != path)];

        if (contentAddress.StartsWith(TextPrefix, StringComparison.Ordinal))
        {
            NarHash text = NarHash.Parse(contentAddress[TextPrefix.Length..]);
            return !self && FromText(directory, path.Name, text, others) == path ? null : false;
        }

        bool recursive = contentAddress.StartsWith(RecursivePrefix, StringComparison.Ordinal);
        if (!recursive && !contentAddress.StartsWith(FlatPrefix, StringComparison.Ordinal))
            throw new FormatException($"\"{contentAddress}\" is not a content address: expected fixed:r:<hash>, fixed:<hash> or text:<hash>.");

        string hashText = contentAddress[(recursive ? RecursivePrefix : FlatPrefix).Length..];
        if (recursive && hashText.StartsWith("sha256", StringComparison.Ordinal))
        {
            NarHash addressed = NarHash.Parse(hashText);
            if (FromSource(directory, path.Name, addressed, others, self) != path)
                return false;
            return self ? null : addressed == narHash;
        }

        // Ways of hashing that came with later versions of Nix: legal, and not to be recomputed from a NAR hash.
        if (hashText.StartsWith("git:", StringComparison.Ordinal) || hashText.StartsWith("blake3", StringComparison.Ordinal))
            return null;

        (string algorithm, byte[] digest) = DigestText.Parse(hashText);
        return references.Count == 0 && FromFixedOutput(directory, path.Name, algorithm, digest, recursive) == path ? null : false;
    }

    private static StringBuilder WithReferences(string type, StoreDirectory directory, IEnumerable<StorePathName> references)
    {
        ArgumentNullException.ThrowIfNull(references);
        StringBuilder text = new(type);
        foreach (StorePathName reference in references.Distinct().Order())
            text.Append(':').Append(directory.Value).Append('/').Append(reference.Value);
        return text;
    }

    private static StorePathName Make(StoreDirectory directory, string type, NarHash inner, string name)
    {
        if (StorePathName.NameProblem(name) is { } problem)
            throw new StorePathFormatException(name, problem);
        Span<byte> digest = stackalloc byte[NarHash.Size];
        Sha256($"{type}:sha256:{inner.ToHex()}:{directory.Value}:{name}").CopyTo(digest);
        Span<byte> folded = stackalloc byte[StorePathName.HashSize];
        folded.Clear();
        for (int i = 0; i < digest.Length; i++)
            folded[i % folded.Length] ^= digest[i];
        return StorePathName.Create(folded, name);
    }

    private static NarHash Sha256(string text) => new(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
}
