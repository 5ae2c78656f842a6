using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Tests.Cvmfs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>Traps of the object store, in what is written.</summary>
public sealed class ObjectTrapTests(TrapFixture repositories) : IClassFixture<TrapFixture>
{
    // Hex in, hex out, one a line: what the machine's own zlib makes of it at level 6.
    private const string RealZlib = "import sys,zlib\nfor l in sys.stdin: print(zlib.compress(bytes.fromhex(l.strip()),6).hex())\nprint(zlib.ZLIB_RUNTIME_VERSION)";

    [Fact]
    public void Trap_01_an_object_is_named_by_the_digest_of_its_stored_bytes_not_of_its_content()
    {
        int compressed = 0;
        foreach ((RawRepository raw, Func<byte[], string> digest) in ((RawRepository, Func<byte[], string>)[])
            [(repositories.Raw, b => Hex(SHA1.HashData(b))), (repositories.RawShake, b => Hex(Shake128.HashData(b, 20)) + "-shake128")])
        {
            Assert.NotEmpty(raw.ObjectPaths);
            foreach (string path in raw.ObjectPaths)
            {
                byte[] stored = raw.Bytes("data/" + path);
                string name = path.Replace("/", "", StringComparison.Ordinal).TrimEnd('C', 'H', 'X', 'M', 'P');
                Assert.Equal(digest(stored), name);
                if (stored is not [0x78, 0x9c, ..])
                    continue;
                compressed++;
                Assert.NotEqual(digest(RawRepository.Inflate(stored)), name);
            }
        }

        Assert.True(compressed > 20);
    }

    [Fact]
    public void Trap_02_certificate_and_metainfo_objects_are_classic_zlib_level_6()
    {
        // Golden bytes, which stock tools wrote with their own zlib.
        foreach (ObjectKind kind in (ObjectKind[])[ObjectKind.Certificate, ObjectKind.MetaInfo])
        {
            ObjectName[] golden = [.. Golden.Objects(kind)];
            Assert.NotEmpty(golden);
            Assert.All(golden, name => Assert.Equal(Golden.Bytes(name.RelativePath), ObjectCompression.CompressClassic(Golden.Content(name))));
        }

        // What this repository serves, and what it would make of other certificates and of metainfo.
        foreach (RawRepository raw in (RawRepository[])[repositories.Raw, repositories.RawShake])
        {
            byte[] stored = raw.Stored(raw.Manifest['X'], "X");
            Assert.Equal(repositories.Sha1.Keys.Certificate.Pem, RawRepository.Inflate(stored));
            Assert.False(raw.Manifest.ContainsKey('M'), "metainfo is published now: compare its stored bytes here as well");
        }

        RawRepository sha1 = repositories.Raw;
        byte[] served = sha1.Stored(sha1.Manifest['X'], "X");
        byte[][] contents = [RawRepository.Inflate(served), .. Certificates(12), .. Metainfos()];
        byte[][] ours = [served, .. contents.Skip(1).Select(c => ObjectCompression.CompressClassic(c))];
        if (Compressed(contents) is not { } real)
        {
            // No zlib on this machine to compare with; the golden bytes above stand.
            Assert.All(ours, bytes => Assert.Equal([0x78, 0x9c], bytes[..2]));
            return;
        }

        Assert.Equal(contents.Length, real.Length);
        for (int i = 0; i < real.Length; i++)
            Assert.True(real[i].AsSpan().SequenceEqual(ours[i]), $"input {i} of {contents[i].Length} bytes: {ours[i].Length} bytes, zlib makes {real[i].Length}");
    }

    [Fact]
    public void Trap_16_the_empty_file_is_the_eight_bytes_of_an_empty_zlib_stream()
    {
        RawRepository raw = repositories.Raw;
        Assert.Equal("789c030000000001", Hex(raw.Bytes("data/e8/ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78")));
        Assert.All(raw.ObjectPaths, path => Assert.NotEmpty(raw.Bytes("data/" + path)));
        object?[][] empty = [.. raw.Catalogs().SelectMany(c => c.Rows("SELECT hex(hash), name FROM catalog WHERE size=0 AND (mode & 61440)=32768"))];
        Assert.Contains(empty, row => (string)row[1]! == "empty");
        Assert.Contains(empty, row => (string)row[1]! == ".cvmfscatalog");
        Assert.All(empty, row => Assert.Equal("E8EC3D88B62EBF526E4E5A4FF6162A3AA48A6B78", row[0]));
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static IEnumerable<byte[]> Certificates(int count)
    {
        // One key for all: it is the text that has to vary, and keys take long to make.
        using var key = RSA.Create(2048);
        for (int i = 0; i < count; i++)
        {
            var request = new CertificateRequest($"CN=repository{i}.example.org CernVM-FS Release Managers", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(80));
            yield return Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n");
        }
    }

    private static IEnumerable<byte[]> Metainfos() => Enumerable.Range(0, 40)
        .Select(i => JsonSerializer.SerializeToUtf8Bytes(new
        {
            administrator = $"person{i}",
            organisation = new string('o', i * 7),
            url = $"https://example.org/{Guid.NewGuid()}",
            custom = Enumerable.Range(0, i * 5).ToDictionary(k => $"key{k}", k => k * 7919),
        }))
        .Where(metainfo => metainfo.Length <= ObjectCompression.ClassicBytesMax);

    private static byte[][]? Compressed(byte[][] contents)
    {
        Process? python;
        try
        {
            python = Process.Start(new ProcessStartInfo("python3", ["-c", RealZlib]) { RedirectStandardInput = true, RedirectStandardOutput = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }

        using (python)
        {
            Task<string> output = python!.StandardOutput.ReadToEndAsync();
            python.StandardInput.Write(string.Concat(contents.Select(c => Hex(c) + "\n")));
            python.StandardInput.Close();
            string[] lines = output.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            python.WaitForExit();

            // Other libraries under the name of zlib make other bytes; only the classic one is asked.
            return lines.Length == contents.Length + 1 && lines[^1].StartsWith("1.2", StringComparison.Ordinal) | lines[^1].StartsWith("1.3", StringComparison.Ordinal) && !lines[^1].Contains("ng", StringComparison.Ordinal)
                ? [.. lines[..^1].Select(Convert.FromHexString)]
                : null;
        }
    }
}
