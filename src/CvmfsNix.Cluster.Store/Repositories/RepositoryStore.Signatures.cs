using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.Signing;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>
/// The repository's own signature of its paths. It is made once, when a path is verified, by a node that has the key, and travels with the
/// registration: stores that serve the path elsewhere have no key.
/// </summary>
public sealed partial class RepositoryStore
{
    /// <summary>Signatures that a path may have; all of them are in every answer about it.</summary>
    private const int SignaturesMax = 100;

    private NixSecretKey? _nixKey;

    /// <summary>Loads the key that signs paths; null, or what gives null: they are not signed here.</summary>
    public Func<NixSecretKey?>? NixKey { get; set; }

    /// <summary>The registration with our signature, which replaces whatever a builder sent in our name.</summary>
    internal PathInfo CertifyAnew(PathInfo info)
    {
        if ((_nixKey ??= NixKey?.Invoke()) is not { } key)
            return info;
        string own = key.Sign(Fingerprint.Of(Format.StoreDirectory, info));
        return info with { Signatures = [.. info.Signatures.Where(s => !IsOf(key, s)), own] };
    }

    /// <summary>Those of the given signatures that a path has not yet and may get: of a legal form, not in our name, and not too many.</summary>
    public IReadOnlyList<string> NewSignatures(PathInfo there, IReadOnlyList<string> given)
    {
        ArgumentNullException.ThrowIfNull(there);
        ArgumentNullException.ThrowIfNull(given);
        _nixKey ??= NixKey?.Invoke();
        return
        [
            .. given.Where(s => NixPublicKey.IsSignature(s) && (_nixKey is not { } key || !IsOf(key, s))).Except(there.Signatures).Take(Math.Max(0, SignaturesMax - there.Signatures.Count)),
        ];
    }

    // A bundle comes from a gateway, so what is in our name there is ours.
    private PathInfo Certify(PathInfo info) =>
        (_nixKey ??= NixKey?.Invoke()) is { } key && !info.Signatures.Any(s => IsOf(key, s)) ? CertifyAnew(info) : info;

    private static bool IsOf(NixSecretKey key, string signature) =>
        signature.StartsWith(key.Name, StringComparison.Ordinal) && signature.Length > key.Name.Length && signature[key.Name.Length] == ':';
}
