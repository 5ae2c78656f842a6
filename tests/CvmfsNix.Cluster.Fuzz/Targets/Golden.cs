using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.TestKit;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Files that the stock server tools wrote.</summary>
internal static class Golden
{
    private static readonly string Folder = TestData.Path("golden-cvmfs/golden.example.org");

    public static RepositoryCertificate Certificate { get; } = RepositoryCertificate.Parse(Objects(ObjectKind.Certificate).First().Content);

    public static string PublicKey { get; } = File.ReadAllText(TestData.Path("golden-cvmfs/golden.example.org.pub"));

    public static byte[] Named(string name) => File.ReadAllBytes(Path.Combine(Folder, name));

    /// <summary>Objects of a kind, smallest first.</summary>
    public static IEnumerable<(byte[] Stored, byte[] Content)> Objects(ObjectKind kind) => Directory
        .EnumerateFiles(Path.Combine(Folder, "data"), "*", SearchOption.AllDirectories)
        .Where(file => ObjectName.TryParsePath(Path.GetRelativePath(Folder, file), out ObjectName name) && name.Kind == kind)
        .OrderBy(file => new FileInfo(file).Length).ThenBy(file => file, StringComparer.Ordinal)
        .Select(File.ReadAllBytes)
        .Select(stored => (stored, ObjectCompression.Decompress(stored, 1 << 26)));
}
