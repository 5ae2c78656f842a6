using CvmfsNix.Cluster.Nix.Signing;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Who may push to a repository's binary cache.</summary>
public enum CacheWriters
{
    /// <summary>Whoever may publish otherwise: with a token where the node asks for tokens, else anybody who reaches it.</summary>
    AsTheNode,

    /// <summary>Anybody who reaches the data port.</summary>
    Open,

    /// <summary>Only with a token, also where the node asks for none.</summary>
    Token,

    /// <summary>As <see cref="AsTheNode"/>, and every path needs a signature by a trusted key.</summary>
    TrustedSignatures,
}

/// <summary>What a repository asks of those who push to its binary cache.</summary>
/// <param name="Writers">Who may.</param>
/// <param name="TrustedKeys">Of whom a path needs one signature, with <see cref="CacheWriters.TrustedSignatures"/>.</param>
public sealed record CachePolicy(CacheWriters Writers, IReadOnlyList<NixPublicKey> TrustedKeys)
{
    private const string WritersKey = "writers";
    private const string KeysKey = "trusted-public-keys";

    /// <summary>What holds where nothing is said.</summary>
    public static CachePolicy Default { get; } = new(CacheWriters.AsTheNode, []);

    /// <summary>
    /// Reads lines of <c>key = value</c>: <c>writers = node | open | token | trusted-signatures</c> and <c>trusted-public-keys = NAME:BASE64 …</c>, as
    /// in a nix.conf. Blank lines and lines that start with # are skipped.
    /// </summary>
    /// <exception cref="FormatException">Says what is wrong.</exception>
    public static CachePolicy Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        CachePolicy policy = Default;
        foreach (string line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith('#')))
        {
            string[] parts = line.Split('=', 2, StringSplitOptions.TrimEntries);
            policy = parts switch
            {
                [WritersKey, var writers] => policy with { Writers = WritersOf(writers) },
                [KeysKey, var keys] => policy with { TrustedKeys = [.. keys.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(NixPublicKey.Parse)] },
                _ => throw new FormatException($"\"{line}\" is neither {WritersKey} = … nor {KeysKey} = …."),
            };
        }

        if (policy.Writers == CacheWriters.TrustedSignatures && policy.TrustedKeys.Count == 0)
            throw new FormatException($"Signatures are asked for, and {KeysKey} names no key.");
        return policy;
    }

    private static CacheWriters WritersOf(string text) => text switch
    {
        "node" => CacheWriters.AsTheNode,
        "open" => CacheWriters.Open,
        "token" => CacheWriters.Token,
        "trusted-signatures" => CacheWriters.TrustedSignatures,
        _ => throw new FormatException($"\"{text}\" says not who may write: node, open, token or trusted-signatures."),
    };
}
