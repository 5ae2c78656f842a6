using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>The public master keys a mirror believes for a repository: the operator's file, else the key of the first contact.</summary>
/// <param name="Pems">At least one; PEM.</param>
/// <param name="Origin">Where they are from, for people.</param>
internal sealed record RepositoryKeyRing(IReadOnlyList<string> Pems, string Origin)
{
    private const int FileSizeMax = 1 << 20;

    /// <summary>The keys to believe; null when there are none yet.</summary>
    /// <param name="keysDirectory">Where the operator may have put a key.</param>
    /// <param name="repository">Fully qualified name.</param>
    /// <param name="pinned">The key of the first contact; empty = there was none.</param>
    /// <exception cref="InvalidDataException">The operator's file holds no key.</exception>
    public static RepositoryKeyRing? Of(string keysDirectory, string repository, string pinned)
    {
        if (!RepositoryName.IsValid(repository))
            throw new InvalidDataException($"'{repository}' is not a legal repository name.");
        string file = Path.Combine(keysDirectory, repository + ".pub");
        if (File.Exists(file))
        {
            if (new FileInfo(file).Length > FileSizeMax)
                throw new InvalidDataException($"{file} is too large for a public key.");
            string[] pems = [.. Blocks(File.ReadAllText(file))];
            if (pems.Length == 0)
                throw new InvalidDataException($"{file} holds no public key in PEM form (-----BEGIN PUBLIC KEY-----). Put the repository's public key there, or remove the file to take the key of the first contact.");
            return new RepositoryKeyRing(pems, file);
        }

        return pinned.Length > 0 ? new RepositoryKeyRing([pinned], "the first contact") : null;
    }

    /// <summary>Whether one of the keys is this one, however it is written.</summary>
    public bool Holds(string pem) => Pems.Any(p => Fingerprint(p) == Fingerprint(pem));

    /// <summary>The keys' fingerprints for people.</summary>
    public string Shown => string.Join(", ", Pems.Select(Fingerprint));

    /// <summary>SHA-256 of the key itself, lower-case hex; a text that is no key has one of its own.</summary>
    public static string Fingerprint(string pem)
    {
        try
        {
            using var key = RSA.Create();
            key.ImportFromPem(pem);
            return Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            return $"unreadable:{Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(pem)).AsSpan(0, 8))}";
        }
    }

    private static IEnumerable<string> Blocks(string text)
    {
        for (int from = 0; PemEncoding.TryFind(text.AsSpan(from), out PemFields fields);)
        {
            (int offset, int length) = fields.Location.GetOffsetAndLength(text.Length - from);
            yield return $"{text.AsSpan(from + offset, length)}\n";
            from += offset + length;
        }
    }
}
