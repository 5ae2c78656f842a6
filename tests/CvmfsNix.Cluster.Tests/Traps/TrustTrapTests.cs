using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>Traps of the signed head, in what is written.</summary>
public sealed class TrustTrapTests(TrapFixture repositories) : IClassFixture<TrapFixture>
{
    [Fact]
    public void Trap_03_manifest_and_whitelist_are_signed_by_two_different_constructions()
    {
        RawRepository raw = repositories.Raw;
        using RSA certified = CertifiedKey(raw), master = MasterKey();
        (string hash, byte[] signature) = RawRepository.Envelope(raw.ManifestBytes);
        Assert.True(certified.VerifyData(Encoding.ASCII.GetBytes(hash), signature, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1));
        Assert.NotEqual(hash, Opened(certified, signature));

        (hash, signature) = RawRepository.Envelope(raw.Bytes(".cvmfswhitelist"));
        Assert.Equal(hash, Opened(master, signature));
        Assert.False(master.VerifyData(Encoding.ASCII.GetBytes(hash), signature, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1));
    }

    [Fact]
    public void Trap_04_what_is_signed_is_the_text_of_the_hash_with_its_algorithm()
    {
        foreach (RawRepository raw in (RawRepository[])[repositories.Raw, repositories.RawShake])
        {
            bool shake = raw.Manifest['C'].EndsWith("-shake128", StringComparison.Ordinal);
            using RSA certified = CertifiedKey(raw);
            byte[] body = Encoding.ASCII.GetBytes(RawRepository.Body(raw.ManifestBytes));
            string text = shake ? Hex(Shake128.HashData(body, 20)) + "-shake128" : Hex(SHA1.HashData(body));
            (string hash, byte[] signature) = RawRepository.Envelope(raw.ManifestBytes);
            Assert.Equal(text, hash);
            Assert.True(Verifies(Encoding.ASCII.GetBytes(text)));
            Assert.False(Verifies(Convert.FromHexString(text[..40])));
            Assert.False(Verifies(Encoding.ASCII.GetBytes(text + "\n")));
            Assert.False(Verifies(body));

            bool Verifies(byte[] message) => certified.VerifyData(message, signature, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1);
        }

        Assert.EndsWith("-shake128", repositories.RawShake.Manifest['C'], StringComparison.Ordinal);
        using RSA master = MasterKey();
        byte[] whitelist = Whitelist.ParseSigned(repositories.Shake.Whitelist).Whitelist.Sign(repositories.Shake.Keys.MasterKey!, HashAlgorithmId.Shake128);
        (string printed, byte[] raw160) = RawRepository.Envelope(whitelist);
        Assert.Equal(Hex(Shake128.HashData(Encoding.ASCII.GetBytes(RawRepository.Body(whitelist)), 20)) + "-shake128", printed);
        Assert.Equal(printed, Opened(master, raw160));
    }

    [Fact]
    public void Trap_07_revision_and_time_of_the_manifest_agree_with_the_root_catalog_and_never_go_back()
    {
        long revision = 0, time = 0;
        Assert.True(repositories.Sha1.Revisions.Count >= 4);
        foreach (byte[] manifest in repositories.Sha1.Revisions.Select(r => r.SignedManifest.ToArray()))
        {
            var raw = new RawRepository(repositories.Sha1.RepositoryFolder, manifest);
            long nextRevision = Number(raw.Manifest['S']), nextTime = Number(raw.Manifest['T']);
            Assert.True(nextRevision > revision && nextTime >= time, $"revision {revision} at {time}, then {nextRevision} at {nextTime}");
            (revision, time) = (nextRevision, nextTime);
            RawDatabase root = raw.Catalogs().First();
            using var again = new RawDatabase("", root.FileBytes, root.SizeSaid);
            Assert.Equal(raw.Manifest['S'], again.Property("revision"));
            Assert.Equal(raw.Manifest['D'], again.Property("TTL"));
            Assert.True(Number(again.Property("last_modified")!) <= time);
        }

        long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Trap_12_sizes_of_catalogs_are_those_of_the_inflated_files()
    {
        int catalogs = 0;
        foreach (RawDatabase catalog in repositories.Raw.Catalogs())
        {
            catalogs++;
            Assert.Equal(catalog.FileBytes.Length, catalog.SizeSaid);
        }

        Assert.True(catalogs >= 4);
        Assert.Equal(repositories.Raw.Manifest['B'], repositories.Raw.Tags().Rows("SELECT CAST(size AS TEXT) FROM tags WHERE name='trunk'")[0][0]);
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static RSA CertifiedKey(RawRepository raw)
    {
        using var certificate = X509Certificate2.CreateFromPem(Encoding.ASCII.GetString(RawRepository.Inflate(raw.Stored(raw.Manifest['X'], "X"))));
        return certificate.GetRSAPublicKey()!;
    }

    private RSA MasterKey()
    {
        var key = RSA.Create();
        key.ImportFromPem(repositories.Sha1.Keys.MasterPublicKeyPem);
        return key;
    }

    /// <summary>The payload of 00 01 FF…FF 00 payload after the public operation; null when the block has another form.</summary>
    private static string? Opened(RSA key, byte[] signature)
    {
        RSAParameters p = key.ExportParameters(includePrivateParameters: false);
        var block = BigInteger.ModPow(new BigInteger(signature, true, true), new BigInteger(p.Exponent, true, true), new BigInteger(p.Modulus, true, true)).ToByteArray(true, true);
        int end = Array.IndexOf(block, (byte)0);
        return block.Length == p.Modulus!.Length - 1 && block[0] == 1 && end > 8 && block.AsSpan(1, end - 1).IndexOfAnyExcept((byte)0xff) < 0 ? Encoding.Latin1.GetString(block, end + 1, block.Length - end - 1) : null;
    }
}
