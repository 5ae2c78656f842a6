using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Verify.Objects;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;

namespace CvmfsNix.Cluster.Verify.Heads;

/// <summary>The signed head of a repository: manifest, certificate, whitelist, metainfo.</summary>
internal sealed class HeadCheck(VerifyRun run, ObjectReader reader)
{
    public const string ManifestFile = ".cvmfspublished";
    public const string WhitelistFile = ".cvmfswhitelist";

    // Tools that load a manifest from disk take less than this; stock clients take up to 1 MiB of everything else.
    private const int ManifestBytesMax = 4095;
    private const int SmallBytesMax = 1024 * 1024;

    /// <summary>Checks it; null when nothing in the manifest can be relied on.</summary>
    /// <exception cref="RepositoryNotFoundException">There is no manifest.</exception>
    public async Task<Manifest?> CheckAsync(IReadOnlyList<string> masterPublicKeyPems, CancellationToken cancellationToken)
    {
        byte[] file = await run.ReadNamedAsync(ManifestFile, SmallBytesMax, cancellationToken).ConfigureAwait(false)
            ?? throw new RepositoryNotFoundException($"There is no repository at {run.Source.Description}: {ManifestFile} is missing.");
        await CheckHeadRequestAsync(ManifestFile, cancellationToken).ConfigureAwait(false);
        if (Parse(file) is not { } signed)
            return null;
        Manifest manifest = signed.Manifest;
        if (run.Options.ExpectedName is { } expected && manifest.RepositoryName != expected)
            run.Findings.Add(VerifyRules.ManifestName, ManifestFile, $"The manifest is of {manifest.RepositoryName}, not of {expected}.");

        RepositoryCertificate? certificate = await CertificateAsync(manifest, cancellationToken).ConfigureAwait(false);
        if (SignatureFault(signed, certificate) is { } fault)
        {
            run.Findings.Add(VerifyRules.ManifestSignature, ManifestFile, fault);
            return null;
        }

        await CheckWhitelistAsync(manifest, certificate, masterPublicKeyPems, cancellationToken).ConfigureAwait(false);
        if (manifest.MetaInfo is { } metaInfo)
            await CheckMetaInfoAsync(new ObjectName(metaInfo, ObjectKind.MetaInfo), cancellationToken).ConfigureAwait(false);
        if (manifest.AlternativePaths)
            await CheckAlternativePathsAsync(manifest, cancellationToken).ConfigureAwait(false);
        return manifest;
    }

    private SignedManifest? Parse(byte[] file)
    {
        if (file.Length > ManifestBytesMax)
        {
            run.Findings.Add(VerifyRules.ManifestFormat, ManifestFile, $"The manifest has more than the {ManifestBytesMax} bytes that tools read.");
            return null;
        }

        try
        {
            return Manifest.ParseSigned(file);
        }
        catch (ManifestFormatException e)
        {
            run.Findings.Add(VerifyRules.ManifestFormat, ManifestFile, e.Message);
            return null;
        }
    }

    private static string? SignatureFault(SignedManifest signed, RepositoryCertificate? certificate)
    {
        ReadOnlySpan<byte> bytes = signed.Bytes.Span;
        ReadOnlySpan<byte> body = bytes[..(bytes.IndexOf("\n--\n"u8) + 1)];
        ObjectHash digest = ObjectHasher.Hash(signed.PrintedHash.Algorithm, body);
        if (digest != signed.PrintedHash)
            return $"The lines of the manifest have the digest {digest}; {signed.PrintedHash} is printed below them.";
        return certificate is not null && !signed.Verify(certificate) ? "The signature of the manifest is not of its certificate." : null;
    }

    private async Task<RepositoryCertificate?> CertificateAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var name = new ObjectName(manifest.Certificate, ObjectKind.Certificate);
        if (await SmallObjectAsync(name, cancellationToken).ConfigureAwait(false) is not { } pem)
            return null;
        try
        {
            return RepositoryCertificate.Parse(pem);
        }
        catch (Exception e) when (e is CertificateFormatException or CryptographicException)
        {
            run.Findings.Add(VerifyRules.CertificateFormat, null, e.Message, name.ToString());
            return null;
        }
    }

    private async Task CheckWhitelistAsync(Manifest manifest, RepositoryCertificate? certificate, IReadOnlyList<string> masterPublicKeyPems, CancellationToken cancellationToken)
    {
        byte[]? file = await run.ReadNamedAsync(WhitelistFile, SmallBytesMax, cancellationToken).ConfigureAwait(false);
        if (file is null)
        {
            run.Findings.Add(VerifyRules.WhitelistFormat, WhitelistFile, "There is no whitelist.");
            return;
        }

        await CheckHeadRequestAsync(WhitelistFile, cancellationToken).ConfigureAwait(false);
        SignedWhitelist signed;
        try
        {
            signed = Whitelist.ParseSigned(file);
        }
        catch (WhitelistFormatException e)
        {
            run.Findings.Add(VerifyRules.WhitelistFormat, WhitelistFile, e.Message);
            return;
        }

        if (!signed.HashMatches() || !IsSigned(signed, masterPublicKeyPems))
        {
            // Nothing it says counts then.
            run.Findings.Add(
                VerifyRules.WhitelistSignature, WhitelistFile,
                signed.HashMatches() ? $"The whitelist is signed by none of the {masterPublicKeyPems.Count} public keys given." : "The lines of the whitelist have another digest than the one printed below them.");
            return;
        }

        Whitelist whitelist = signed.Whitelist;
        if (whitelist.IsExpiredAt(run.Options.Clock.GetUtcNow()))
            run.Findings.Add(VerifyRules.WhitelistExpired, WhitelistFile, $"The whitelist expired at the beginning of the hour of {Time(whitelist.ExpiresAt)}.");
        if (whitelist.RepositoryName != manifest.RepositoryName)
            run.Findings.Add(VerifyRules.WhitelistName, WhitelistFile, $"The whitelist is of {whitelist.RepositoryName}, the manifest of {manifest.RepositoryName}.");
        if (certificate is not null && !whitelist.Lists(certificate))
            run.Findings.Add(VerifyRules.WhitelistFingerprint, WhitelistFile, $"The whitelist does not list the certificate {certificate.Fingerprint()}.");
    }

    private static bool IsSigned(SignedWhitelist whitelist, IReadOnlyList<string> masterPublicKeyPems)
    {
        var keys = new List<RSA>();
        try
        {
            foreach (string pem in masterPublicKeyPems)
                keys.Add(RepositoryKeys.ReadPublicKeyPem(pem));
            return whitelist.Verify(keys);
        }
        finally
        {
            foreach (RSA key in keys)
                key.Dispose();
        }
    }

    private async Task CheckMetaInfoAsync(ObjectName name, CancellationToken cancellationToken)
    {
        if (await SmallObjectAsync(name, cancellationToken).ConfigureAwait(false) is not { } content)
            return;
        try
        {
            using JsonDocument _ = JsonDocument.Parse(content);
        }
        catch (JsonException e)
        {
            run.Findings.Add(VerifyRules.MetaInfoFormat, null, $"The metainfo is no JSON: {Shown.Text(e.Message)}", name.ToString());
        }
    }

    /// <summary>Content of a certificate or metainfo object that is good in itself; else null, and a finding.</summary>
    private async Task<byte[]?> SmallObjectAsync(ObjectName name, CancellationToken cancellationToken)
    {
        (ObjectCheck check, byte[] content) = await reader.ReadSmallAsync(name, SmallBytesMax, cancellationToken).ConfigureAwait(false);
        if (check.Rule is { } rule)
        {
            run.Findings.Add(rule, null, check.Message, name.ToString());
            return null;
        }

        // Longer ones cannot be told: the library at hand may then differ from classic zlib without being wrong.
        if (content.Length <= ObjectCompression.ClassicBytesMax)
        {
            byte[] classic = ObjectCompression.CompressClassic(content);
            if (ObjectHasher.Hash(name.Hash.Algorithm, classic) != name.Hash)
            {
                run.Findings.Add(
                    VerifyRules.ClassicCompression, null,
                    $"The object has {check.StoredBytes} bytes; classic zlib makes other {classic.Length}, and a stock replica stores those under this name.", name.ToString());
            }
        }

        return content;
    }

    private async Task CheckAlternativePathsAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var missing = new List<string>();
        foreach (ObjectName name in new[] { new ObjectName(manifest.Certificate, ObjectKind.Certificate), new ObjectName(manifest.RootHash, ObjectKind.Catalog) })
        {
            string link = $".cvmfsalt-{name}";
            if (!await run.ExistsAsync(link, cancellationToken).ConfigureAwait(false))
                missing.Add(link);
        }

        if (missing.Count > 0)
            run.Findings.Add(VerifyRules.AlternativePaths, ManifestFile, $"The manifest promises alternative paths (A), but {string.Join(" and ", missing)} {(missing.Count == 1 ? "is" : "are")} not there.");
    }

    private async Task CheckHeadRequestAsync(string file, CancellationToken cancellationToken)
    {
        if (!await run.ExistsAsync(file, cancellationToken).ConfigureAwait(false))
            run.Findings.Add(VerifyRules.HttpHead, file, "A GET request finds the file, a HEAD request does not.");
    }

    private static string Time(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
}
