using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Trust;

namespace CvmfsNix.Cluster.Tests.Cvmfs;

/// <summary>The repository that the stock server tools wrote.</summary>
internal static class Golden
{
    public const string Name = "golden.example.org";

    public static string Folder { get; } = TestData.Path("golden-cvmfs/golden.example.org");

    public static string PublicKey { get; } = File.ReadAllText(TestData.Path("golden-cvmfs/golden.example.org.pub"));

    /// <summary>A moment at which its whitelist counts, however late the test runs.</summary>
    public static DateTimeOffset Now { get; } = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static byte[] Bytes(string relativePath) => File.ReadAllBytes(Path.Combine(Folder, relativePath));

    public static SignedManifest Manifest() => CvmfsNix.Cluster.Cvmfs.Trust.Manifest.ParseSigned(Bytes(".cvmfspublished"));

    public static SignedWhitelist Whitelist() => CvmfsNix.Cluster.Cvmfs.Trust.Whitelist.ParseSigned(Bytes(".cvmfswhitelist"));

    public static byte[] Content(ObjectName name) => ObjectCompression.Decompress(Bytes(name.RelativePath), 1 << 26);

    public static RepositoryCertificate Certificate() => RepositoryCertificate.Parse(Content(new ObjectName(Manifest().Manifest.Certificate, ObjectKind.Certificate)));

    public static IEnumerable<ObjectName> Objects(ObjectKind kind)
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Folder, "data"), "*", SearchOption.AllDirectories))
        {
            if (ObjectName.TryParsePath(Path.GetRelativePath(Folder, file), out var name) && name.Kind == kind) yield return name;
        }
    }

    public static RepositoryReaderOptions Options(string? tag = null) => new() { ExpectedName = Name, Tag = tag, Clock = new FixedClock(Now) };
}

/// <summary>A clock that stands still.</summary>
internal sealed class FixedClock(DateTimeOffset now) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => now;
}

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cvmfs-tests-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, byte[] content)
    {
        var path = File(name);
        System.IO.File.WriteAllBytes(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
