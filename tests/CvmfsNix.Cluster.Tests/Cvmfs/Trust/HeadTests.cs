using System.Security.Cryptography;
using System.Text;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Tests.Cvmfs.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Trust;

public class HeadTests
{
    private static readonly Lazy<RepositoryKeys> Keys = new(() => RepositoryKeys.Create("demo.example.org", Golden.Now));

    private static readonly Gen<Manifest> Manifests =
        from root in ObjectHashTests.Hashes.Where(h => !h.IsNull)
        from optional in ObjectHashTests.Hashes.Where(h => !h.IsNull).Array[3]
        from present in Gen.Bool.Array[5]
        from size in Gen.Long[0, long.MaxValue]
        from ttl in Gen.Int[0, int.MaxValue]
        from revision in Gen.ULong
        from seconds in Gen.Long[0, 253402300799]
        select new Manifest
        {
            RootHash = root, RootSize = size, TtlSeconds = ttl, Revision = revision, GarbageCollectable = present[0], AlternativePaths = present[1],
            RepositoryName = "demo.example.org", Certificate = optional[0], PublishedAt = DateTimeOffset.FromUnixTimeSeconds(seconds),
            History = present[2] ? optional[1] : null, MetaInfo = present[3] ? optional[2] : null, ReflogChecksum = present[4] ? optional[0] : null,
        };

    [Fact]
    public void The_golden_head_prints_as_it_stands()
    {
        Assert.Equal(BodyOf(Golden.Manifest().Bytes), Golden.Manifest().Manifest.ToBody());
        Assert.Equal(BodyOf(Golden.Whitelist().Bytes), Golden.Whitelist().Whitelist.ToBody());
    }

    [Fact]
    public void The_golden_head_is_signed_as_stock_tools_sign()
    {
        using var master = RepositoryKeys.ReadPublicKeyPem(Golden.PublicKey);
        var certificate = Golden.Certificate();
        Assert.True(Golden.Manifest().Verify(certificate));
        Assert.True(Golden.Whitelist().Verify([Keys.Value.MasterKey!, master]));
        Assert.True(Golden.Whitelist().Whitelist.Lists(certificate));
        Assert.Equal("26:27:54:E3:37:60:25:38:94:62:50:A3:D3:17:96:25:B9:51:99:23", certificate.Fingerprint());
        Assert.False(Golden.Whitelist().Verify([Keys.Value.MasterKey!]));
        Assert.False(Golden.Whitelist().Verify([]));
        Assert.False(Golden.Manifest().Verify(Keys.Value.Certificate));
        Assert.False(Golden.Whitelist().Whitelist.Lists(Keys.Value.Certificate));
    }

    [Fact]
    public void The_two_signatures_are_not_the_same_construction()
    {
        using var master = RepositoryKeys.ReadPublicKeyPem(Golden.PublicKey);
        var whitelist = Golden.Whitelist();
        Assert.False(master.VerifyData(Encoding.ASCII.GetBytes(whitelist.PrintedHash.ToString()), whitelist.Signature.Span, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1));
        var manifest = Golden.Manifest();
        Assert.True(Golden.Certificate().PublicKey.VerifyData(
            Encoding.ASCII.GetBytes(manifest.PrintedHash.ToString()), manifest.Signature.Span, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1));
    }

    [Fact]
    public void The_example_manifest_has_its_known_body_and_hash()
    {
        var manifest = new Manifest
        {
            RootHash = ObjectHash.Parse("000000000000000000000000000000000000beef"), RootSize = 24576, TtlSeconds = 240, Revision = 7, RepositoryName = "demo.example.org",
            Certificate = ObjectHash.Parse("1111111111111111111111111111111111111111"), PublishedAt = DateTimeOffset.FromUnixTimeSeconds(1700000000),
        };
        Assert.Equal("bbb938cf4c9cb03019910eab8c992b9d1e68200f", manifest.Sign(Keys.Value.SigningKey).PrintedHash.ToString());
    }

    [Fact]
    public void Manifests_are_read_back_and_verify() => Manifests.Sample(manifest =>
    {
        var read = Manifest.ParseSigned(manifest.Sign(Keys.Value.SigningKey).Bytes);
        Assert.Equal(manifest, read.Manifest);
        Assert.Equal(manifest.RootHash.Algorithm, read.PrintedHash.Algorithm);
        Assert.True(read.Verify(Keys.Value.Certificate));
    }, iter: 50);

    [Fact]
    public void Any_changed_byte_of_a_manifest_or_whitelist_breaks_it()
    {
        using var master = RepositoryKeys.ReadPublicKeyPem(Golden.PublicKey);
        var certificate = Golden.Certificate();
        foreach (var (file, verify) in new (string, Func<byte[], bool>)[]
        {
            (".cvmfspublished", bytes => Manifest.ParseSigned(bytes).Verify(certificate)),
            (".cvmfswhitelist", bytes => Whitelist.ParseSigned(bytes).Verify([master])),
        })
        {
            var good = Golden.Bytes(file);
            Assert.True(verify(good));
            for (var at = 0; at < good.Length; at++)
            {
                var bad = good.ToArray();
                bad[at] ^= 1;
                var stillGood = false;
                try
                {
                    stillGood = verify(bad);
                }
                catch (Exception e) when (e is ManifestFormatException or WhitelistFormatException)
                {
                    // Refused even earlier.
                }

                Assert.False(stillGood, $"{file} byte {at}");
            }
        }
    }

    [Theory]
    [InlineData(HashAlgorithmId.Sha1)]
    [InlineData(HashAlgorithmId.Rmd160)]
    [InlineData(HashAlgorithmId.Shake128)]
    public void Whitelists_are_read_back_and_verify(HashAlgorithmId algorithm)
    {
        var whitelist = new Whitelist
        {
            CreatedAt = Golden.Now, ExpiresAt = Golden.Now.AddDays(30), RepositoryName = "demo.example.org",
            Fingerprints = [Golden.Certificate().Fingerprint(), Keys.Value.Certificate.Fingerprint(algorithm)],
        };
        var read = Whitelist.ParseSigned(whitelist.Sign(Keys.Value.MasterKey!, algorithm));
        Assert.Equal(whitelist.ToBody(), read.Whitelist.ToBody());
        Assert.Equal(whitelist.Fingerprints, read.Whitelist.Fingerprints);
        Assert.True(read.Verify([Keys.Value.MasterKey!]));
        Assert.False(read.Verify([Keys.Value.SigningKey]));
        Assert.True(read.Whitelist.Lists(Keys.Value.Certificate));
        Assert.True(read.Whitelist.Lists(Golden.Certificate()));
    }

    [Fact]
    public void Any_whitelist_is_read_back()
    {
        var times = Gen.Long[-62135596800, 253402300799].Select(DateTimeOffset.FromUnixTimeSeconds);
        var fingerprints = ObjectHashTests.Hashes.Select(h => string.Join(':', Convert.ToHexString(h.ToArray()).Chunk(2).Select(pair => new string(pair))) + h.ToString()[40..].ToUpperInvariant());
        Gen.Select(times, times, fingerprints.Array[1, 5]).Sample((created, expires, listed) =>
        {
            var whitelist = new Whitelist { CreatedAt = created, ExpiresAt = expires, RepositoryName = "demo.example.org", Fingerprints = listed };
            var read = Whitelist.ParseSigned((byte[])[.. whitelist.ToBody(), .. Encoding.ASCII.GetBytes($"--\n{new string('0', 40)}\n")]).Whitelist;
            Assert.Equal((created, expires, "demo.example.org"), (read.CreatedAt, read.ExpiresAt, read.RepositoryName));
            Assert.Equal(listed, read.Fingerprints);
        });
    }

    [Theory]
    [InlineData("2024-03-01T11:59:59Z", false)]
    [InlineData("2024-03-01T12:00:00Z", true)]
    [InlineData("2024-03-01T13:00:00Z", true)]
    public void A_whitelist_dies_at_the_start_of_its_last_hour(string now, bool expired)
    {
        var whitelist = new Whitelist
        {
            CreatedAt = DateTimeOffset.UnixEpoch, ExpiresAt = new DateTimeOffset(2024, 3, 1, 12, 30, 0, TimeSpan.Zero), RepositoryName = "x", Fingerprints = [],
        };
        Assert.Equal(expired, whitelist.IsExpiredAt(DateTimeOffset.Parse(now)));
    }

    [Fact]
    public void Comments_behind_fingerprints_and_odd_lines_are_passed_over()
    {
        var read = Whitelist.ParseSigned(Encoding.ASCII.GetBytes(
            $"20240131120000\nE20240301120000\nNdemo.example.org\nnonsense\n{Keys.Value.Certificate.Fingerprint()} # ours\n--\n{new string('0', 40)}\n"));
        Assert.True(read.Whitelist.Lists(Keys.Value.Certificate));
        Assert.False(read.HashMatches());
    }

    [Fact]
    public void Any_bytes_are_a_head_or_refused()
    {
        var certificate = Golden.Certificate();
        var pieces = Pick.From("C", "B", "R", "S1\n", "N", "\n", "--\n", "E", "20240131120000", "d41d8cd98f00b204e9800998ecf8427e", new string('a', 40), "yes", "-shake128", "\0", "Ndemo\n", "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n");
        Gen.OneOf(Gen.Byte.Array[0, 200], pieces.Array[0, 30].Select(p => Encoding.ASCII.GetBytes(string.Concat(p)))).Sample(bytes =>
        {
            foreach (var parse in new Action[]
            {
                () => Manifest.ParseSigned(bytes).Verify(certificate), () => Whitelist.ParseSigned(bytes).Verify([]), () => RepositoryCertificate.Parse(bytes),
            })
            {
                try
                {
                    parse();
                }
                catch (Exception e) when (e is ManifestFormatException or WhitelistFormatException or CertificateFormatException)
                {
                    // The only exceptions there may be.
                }
            }
        }, iter: 2000);
    }

    [Fact]
    public void Keys_are_saved_loaded_and_never_overwritten()
    {
        using var folder = new TemporaryFolder();
        Keys.Value.Save(folder.Path);
        Keys.Value.Save(folder.Path);
        Assert.Equal(["crt", "key", "masterkey", "pub"], Directory.EnumerateFiles(folder.Path).Select(f => Path.GetExtension(f)[1..]).Order());
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.File("demo.example.org.key")));
        using (var loaded = RepositoryKeys.Load(folder.Path, "demo.example.org"))
        {
            Assert.Equal(Keys.Value.Certificate.Pem, loaded.Certificate.Pem);
            Assert.NotNull(loaded.MasterKey);
        }

        File.Delete(folder.File("demo.example.org.masterkey"));
        using (var loaded = RepositoryKeys.Load(folder.Path, "demo.example.org")) Assert.Null(loaded.MasterKey);
        using var others = RepositoryKeys.Create("demo.example.org", Golden.Now);
        Assert.Throws<KeyFileException>(() => others.Save(folder.Path));
        Assert.False(File.Exists(folder.File("demo.example.org.masterkey")));
        File.WriteAllText(folder.File("demo.example.org.key"), others.SigningKey.ExportPkcs8PrivateKeyPem());
        Assert.Contains("not the private key", Assert.Throws<KeyFileException>(() => RepositoryKeys.Load(folder.Path, "demo.example.org")).Message);
        File.Delete(folder.File("demo.example.org.key"));
        Assert.Contains("missing", Assert.Throws<KeyFileException>(() => RepositoryKeys.Load(folder.Path, "demo.example.org")).Message);
    }

    private static byte[] BodyOf(ReadOnlyMemory<byte> file) => file[..(file.Span.IndexOf("\n--\n"u8) + 1)].ToArray();
}
