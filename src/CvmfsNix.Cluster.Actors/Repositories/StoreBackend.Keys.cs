using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Transfer;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <summary>A node that could lead lacks the key that is to sign next.</summary>
internal sealed class KeyNotEverywhereException(string message) : Exception(message);

/// <content>The keys of this node's key folder: which one signs, what whitelists name, and the change from one to another.</content>
internal sealed partial class StoreBackend
{
    private const int WhitelistSizeMax = 1 << 20;

    /// <summary>Validity of a new whitelist, as stock publishers give it.</summary>
    private static readonly TimeSpan WhitelistValidity = TimeSpan.FromDays(30);

    private RepositoryKeySet? _keys;
    private ObjectHash _certificate = definition.Certificate;

    private RepositoryKeys Keys => (_keys ??= LoadKeys())?.Cvmfs ?? throw new KeyFileException(KeysMissing);

    private string KeysMissing =>
        $"The keys of {_fqrn} that sign now are not in {keyFolder.Directory}. Copy them from the node that created the repository, or on which its next key was made.";

    public string? KeyProblem(ObjectHash certificate)
    {
        _certificate = certificate;
        try
        {
            _keys = LoadKeys();
        }
        catch (KeyFileException e)
        {
            return e.Message;
        }

        if (_keys is not null)
            return null;
        return keyFolder.Certificates(_fqrn).Count == 0
            ? KeysMissing
            : $"No certificate of {_fqrn} in {keyFolder.Directory} is the one that its manifests are signed with. Put the right key files there.";
    }

    private RepositoryKeySet? LoadKeys() => keyFolder.TryLoad(_fqrn, c => StoreBackends.CertificateObject(c, definition.HashAlgorithm) == _certificate);

    public FreshWhitelist? SignWhitelist(DateTimeOffset now, ObjectHash? also = null)
    {
        // It may have been brought back for this moment, or taken away since: it is kept offline otherwise.
        if ((Keys.MasterKey is null || !keyFolder.HasMasterKey(_fqrn)) && KeyProblem(_certificate) is not null)
            return null;
        if (Keys.MasterKey is not { } master)
            return SignedElsewhere(now);
        var second = new DateTimeOffset(now.UtcTicks - (now.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero);
        var whitelist = new Whitelist
        {
            CreatedAt = second,
            ExpiresAt = second + WhitelistValidity,
            RepositoryName = _fqrn,
            Fingerprints = [.. Enumerable.Repeat(Keys.Certificate.Fingerprint(), 1).Append(NextKey()?.Fingerprint()).Append(also is { } hash ? FingerprintOf(hash) : null).OfType<string>().Distinct()],
        };
        return new FreshWhitelist(whitelist.Sign(master, definition.HashAlgorithm), whitelist.ExpiresAt) { Fingerprints = whitelist.Fingerprints };
    }

    public SigningKeys SigningKeys()
    {
        SignedWhitelist? served = ReadWhitelist(Path.Combine(layout.RepositoryFolder(_fqrn), ".cvmfswhitelist"));
        return new SigningKeys(Keys.Certificate.Fingerprint(), NextKey()?.Fingerprint(), served?.Whitelist.Fingerprints ?? []);
    }

    public async Task<KeyRotated> PrepareKeyAsync(RevisionHead head, string by, DateTimeOffset now, CancellationToken ct)
    {
        RepositoryCertificate next = NextKey() ?? throw new KeyFileException($"{keyFolder.Directory} has no pair of {_fqrn} that came after the present one.");
        string fingerprint = next.Fingerprint();
        if (await copies.LackingKeyAsync(_fqrn, fingerprint, ct).ConfigureAwait(false) is { Count: > 0 } lacking)
        {
            throw new KeyNotEverywhereException(
                $"The next key of {_fqrn}, {fingerprint}, is not in the key folder of {string.Join(", ", lacking)}. Nodes without it could not lead.");
        }

        using RepositoryKeys keys = keyFolder.TryLoad(_fqrn, c => c.Fingerprint() == fingerprint)?.Cvmfs ?? throw new KeyFileException($"The key of {fingerprint} went away from {keyFolder.Directory}.");
        var made = await store.PrepareTagsAsync(ToStore(head), head.NamedTags, keys, now, ct).ConfigureAwait(false);
        if (copies.Needed)
            await copies.EnsureAsync(store, [StoreItem.Of(new ObjectName(made.Head.History, ObjectKind.History))], _fqrn, CopiesPatience, ct).ConfigureAwait(false);
        return new KeyRotated(
            StoreBackends.CertificateObject(keys.Certificate, definition.HashAlgorithm), keys.Certificate.Pem, new TagState(FromStore(made.Head), made.SignedManifest, made.Superseded, made.Kept), by, now);
    }

    // The newest pair behind the present one.
    private RepositoryCertificate? NextKey() => keyFolder.Certificates(_fqrn) is [.., var last] && last.Pair > Keys.Pair ? last.Certificate : null;

    // Believed as clients believe it: signed by the master key, for this repository and the present certificate, and not over.
    private FreshWhitelist? SignedElsewhere(DateTimeOffset now)
    {
        try
        {
            if (ReadWhitelist(keyFolder.WhitelistFile(_fqrn)) is not { } signed)
                return null;
            using var master = RepositoryKeys.ReadPublicKeyPem(Keys.MasterPublicKeyPem);
            var whitelist = signed.Whitelist;
            return signed.Verify([master]) && whitelist.RepositoryName == _fqrn && whitelist.Lists(Keys.Certificate) && !whitelist.IsExpiredAt(now)
                ? new FreshWhitelist(signed.Bytes.ToArray(), whitelist.ExpiresAt) { Fingerprints = whitelist.Fingerprints }
                : null;
        }
        catch (KeyFileException)
        {
            return null;
        }
    }

    private static SignedWhitelist? ReadWhitelist(string path)
    {
        try
        {
            var file = new FileInfo(path);
            return file.Exists && file.Length <= WhitelistSizeMax ? Whitelist.ParseSigned(File.ReadAllBytes(path)) : null;
        }
        catch (Exception e) when (e is WhitelistFormatException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // The name is a hash from the journal, so nobody can slip another certificate in.
    private string? FingerprintOf(ObjectHash certificate)
    {
        using Stream? stored = store.Objects.OpenRead(new ObjectName(certificate, ObjectKind.Certificate));
        if (stored is null)
            return null;
        using Stream plain = ObjectCompression.OpenDecompressor(stored, CompressionAlgorithm.Zlib);
        using var pem = new MemoryStream();
        plain.CopyTo(pem);
        var read = RepositoryCertificate.Parse(pem.ToArray());
        return StoreBackends.CertificateObject(read, definition.HashAlgorithm) == certificate ? read.Fingerprint() : null;
    }

    private Task TakeCertificateAsync(IRepositoryEvent @event, CancellationToken ct) =>
        @event is KeyRotated rotated ? store.AddCertificateAsync(RepositoryCertificate.Parse(rotated.Pem.Span), ct) : Task.CompletedTask;
}
