using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.TestKit.Damage;
using CvmfsNix.Cluster.Verify.Rules;
using static CvmfsNix.Cluster.Tests.Verify.Damage.DamageList;

namespace CvmfsNix.Cluster.Tests.Verify.Damage;

/// <summary>Damages to manifest, whitelist, certificate and metainfo.</summary>
internal static class HeadDamages
{
    private const string Manifest = ".cvmfspublished";
    private const string Whitelist = ".cvmfswhitelist";

    public static IEnumerable<RepositoryDamage> All { get; } =
    [
        TopLevel("the manifest has no revision", VerifyRules.ManifestFormat, Manifest, r => r.SetManifest('S', null)),
        TopLevel("the manifest has no publish time", VerifyRules.ManifestFormat, Manifest, r => r.SetManifest('T', null)),
        TopLevel("the manifest is of another root path", VerifyRules.ManifestFormat, Manifest, r => r.SetManifest('R', "0639767f3e9eaad729b54037a7e2abf5")),
        TopLevel("the manifest has 4096 bytes", VerifyRules.ManifestFormat, Manifest, r => r.EditManifest(body => body + "u" + new string('u', 4096) + "\n")),
        TopLevel("the manifest has no signature part", VerifyRules.ManifestFormat, Manifest, r => r.Truncate(Manifest, 400)),
        TopLevel("the manifest is of another repository", VerifyRules.ManifestName, Manifest, r =>
        {
            r.SetManifest('N', "other.example.org");
            r.EditWhitelist(body => body.Replace(DamageableRepository.Name, "other.example.org", StringComparison.Ordinal));
            r.EditTags("UPDATE properties SET value='other.example.org' WHERE key='fqrn'");
            r.EditReflog("UPDATE properties SET value='other.example.org' WHERE key='fqrn'");
        }),
        TopLevel("the manifest is signed with a foreign key", VerifyRules.ManifestSignature, Manifest, r => r.SignManifestWith(r.ForeignKeys.SigningKey)),
        TopLevel("a byte of the manifest's signature is flipped", VerifyRules.ManifestSignature, Manifest, r => r.FlipByte(Manifest)),
        TopLevel("a digit of the manifest is changed", VerifyRules.ManifestSignature, Manifest, r => ChangeDigit(r, Manifest, "\nD240\n", "\nD241\n")),
        TopLevel("the manifest's revision is ahead of the root catalog", VerifyRules.ManifestRevision, Manifest, r => r.SetManifest('S', "8")),
        TopLevel("the manifest's revision is behind the root catalog", VerifyRules.ManifestRevision, Manifest, r => r.SetManifest('S', "6")),
        TopLevel("the manifest is older than the root catalog", VerifyRules.ManifestTime, Manifest, r =>
            r.SetManifest('T', (DamageableRepository.Now.ToUnixTimeSeconds() - 11).ToString(CultureInfo.InvariantCulture))),
        TopLevel("the manifest has another time to live", VerifyRules.ManifestTtl, Manifest, r => r.SetManifest('D', "600")),
        TopLevel("the manifest promises alternative paths", VerifyRules.AlternativePaths, Manifest, r => r.SetManifest('A', "yes")),

        TopLevel("the whitelist is not there", VerifyRules.WhitelistFormat, Whitelist, r => r.Remove(Whitelist)),
        TopLevel("the whitelist has no expiry", VerifyRules.WhitelistFormat, Whitelist, r => r.EditWhitelist(body => body.Remove(15, 16))),
        TopLevel("the whitelist expires later in this hour", VerifyRules.WhitelistExpired, Whitelist, r => Expire(r, DamageableRepository.Now.AddMinutes(20))),
        TopLevel("the whitelist expired a month ago", VerifyRules.WhitelistExpired, Whitelist, r => Expire(r, DamageableRepository.Now.AddDays(-30))),
        TopLevel("the whitelist is of another repository", VerifyRules.WhitelistName, Whitelist, r =>
            r.EditWhitelist(body => body.Replace(DamageableRepository.Name, "other.example.org", StringComparison.Ordinal))),
        TopLevel("the whitelist is signed with a foreign master key", VerifyRules.WhitelistSignature, Whitelist, r => r.EditWhitelist(body => body, r.ForeignKeys.MasterKey)),
        TopLevel("a byte of the whitelist's signature is flipped", VerifyRules.WhitelistSignature, Whitelist, r => r.FlipByte(Whitelist)),
        TopLevel("a digit of the whitelist is changed", VerifyRules.WhitelistSignature, Whitelist, r =>
            ChangeDigit(r, Whitelist, $"{DamageableRepository.Now.AddDays(29):yyyyMMdd}", $"{DamageableRepository.Now.AddDays(30):yyyyMMdd}")),
        TopLevel("the certificate is a foreign one", VerifyRules.WhitelistFingerprint, Whitelist, r =>
            r.ReplaceCertificate(ObjectCompression.CompressClassic(r.ForeignKeys.Certificate.Pem), r.ForeignKeys.SigningKey)),

        new("the certificate is none", VerifyRules.CertificateFormat, r =>
        {
            r.ReplaceCertificate(ObjectCompression.CompressClassic("no certificate\n"u8));
            return Culprit.OfObject(r.CertificateObject);
        }),
        new("the certificate is compressed by another zlib", VerifyRules.ClassicCompression, r =>
        {
            r.ReplaceCertificate(Stored(r.CertificatePem));
            return Culprit.OfObject(r.CertificateObject);
        }),
        new("the metainfo is compressed by another zlib", VerifyRules.ClassicCompression, r =>
        {
            r.ReplaceMetaInfo(Stored("{\"organisation\":\"damage\"}"u8.ToArray()));
            return Culprit.OfObject(r.MetaInfoObject);
        }),
        new("the metainfo is no JSON", VerifyRules.MetaInfoFormat, r =>
        {
            r.ReplaceMetaInfo(ObjectCompression.CompressClassic("organisation: damage"u8));
            return Culprit.OfObject(r.MetaInfoObject);
        }),
    ];

    // The second line: a fingerprint may begin with an E as well.
    private static void Expire(DamageableRepository repository, DateTimeOffset at) =>
        repository.EditWhitelist(body => string.Concat(body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select((l, i) => (i == 1 ? $"E{at:yyyyMMddHHmmss}" : l) + "\n")));

    private static void ChangeDigit(DamageableRepository repository, string file, string old, string changed)
    {
        string text = Encoding.Latin1.GetString(File.ReadAllBytes(repository.At(file)));
        File.WriteAllBytes(repository.At(file), Encoding.Latin1.GetBytes(text.Replace(old, changed, StringComparison.Ordinal)));
    }

    // A stream of the right content that no zlib makes at level 6: one stored block.
    private static byte[] Stored(byte[] content)
    {
        uint a = 1, b = 0;
        foreach (byte value in content)
        {
            a = (a + value) % 65521;
            b = (b + a) % 65521;
        }

        int length = content.Length;
        return
        [
            0x78, 0x01, 1, (byte)length, (byte)(length >> 8), (byte)~length, (byte)(~length >> 8), .. content, (byte)(b >> 8), (byte)b, (byte)(a >> 8), (byte)a,
        ];
    }
}
