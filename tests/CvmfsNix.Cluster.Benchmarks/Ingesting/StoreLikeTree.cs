using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Benchmarks.Ingesting;

/// <summary>
/// Store paths on disk that shrink as real ones do: slices of this machine's own texts and libraries, each at another place and with bytes of
/// its own, so that no two files are alike, and bytes that do not shrink at all. The same identity gives the same tree on the same machine.
/// </summary>
internal sealed class StoreLikeTree
{
    private const int OwnBytesEvery = 256 * 1024;
    private const int OwnBytes = 16;
    private const int FilesOfAFolder = 40;
    private const int FileBytesMax = 12 << 20;

    // Many small texts, few libraries with most of the bytes, and what a package ships compressed already.
    private static readonly Kind[] Kinds =
    [
        new("share/text", 0.85, 0.18, 1.3),
        new("lib/library", 0.12, 0.69, 1.4),
        new("share/archive", 0.03, 0.13, 1.2),
    ];

    private static readonly string[] TextEndings = [".gz", ".xz", ".bz2", ".png", ".jpg", ".pyc", ".so", ".a", ".zip", ".woff2", ".svgz"];

    private readonly List<PathInfo> _paths = [];

    private StoreLikeTree(string root) => Root = root;

    /// <summary>The store is below it.</summary>
    public string Root { get; }

    /// <summary>File bytes.</summary>
    public long Bytes { get; private set; }

    /// <summary>Files.</summary>
    public int Files { get; private set; }

    /// <summary>Store paths, in full.</summary>
    public IReadOnlyList<string> Paths => [.. _paths.Select(p => StoreDirectory.Default.FullPath(p.Path))];

    /// <summary>File of their registrations.</summary>
    public string Registration => Path.Combine(Root, "registration");

    /// <summary>Makes a tree.</summary>
    /// <param name="root">Folder to make it in.</param>
    /// <param name="identity">Trees of other identities have other names and contents.</param>
    /// <param name="paths">Store paths.</param>
    /// <param name="files">Files of all of them.</param>
    /// <param name="bytes">Of all files, about.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<StoreLikeTree> MakeAsync(string root, string identity, int paths, int files, long bytes, CancellationToken cancellationToken)
    {
        var tree = new StoreLikeTree(root);
        byte[][] sources =
        [
            Gather(400, 60L << 20, static f => !TextEndings.Contains(Path.GetExtension(f)), "/usr/share/doc", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/include", "/usr/share/perl"),
            Gather(4096, 400L << 20, static f => f.Contains(".so", StringComparison.Ordinal) || f.EndsWith(".dll", StringComparison.Ordinal), "/usr/lib/x86_64-linux-gnu", Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", ".."))),
            [],
        ];
        var random = new Random(BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes(identity))));
        (int Kind, int Size)[] plan = Plan(random, files, bytes);
        string[] places = new string[paths];
        for (int i = 0; i < paths; i++)
        {
            StorePathName name = NameOf($"{identity} {i}", i);
            places[i] = root + StoreDirectory.Default.FullPath(name);
        }

        for (int i = 0; i < plan.Length; i++)
        {
            (int kind, int size) = plan[i];
            byte[] content = Content(random, sources[kind], size);
            string folder = Path.Combine(places[i % paths], $"{Path.GetDirectoryName(Kinds[kind].Place)}/part{i / paths / FilesOfAFolder}");
            Directory.CreateDirectory(folder);
            await File.WriteAllBytesAsync(Path.Combine(folder, $"{Path.GetFileName(Kinds[kind].Place)}{i}"), content, cancellationToken);
            tree.Bytes += size;
            tree.Files++;
        }

        for (int i = 0; i < paths; i++)
        {
            (NarHash nar, long size) = await NarFromDisk.HashAsync(places[i], cancellationToken);
            tree._paths.Add(new PathInfo { Path = NameOf($"{identity} {i}", i), NarHash = nar, NarSize = size, References = [] });
        }

        tree.Register();
        return tree;
    }

    /// <summary>Gives every path another name: other paths of the same contents, as another builder's are.</summary>
    public void Rename()
    {
        for (int i = 0; i < _paths.Count; i++)
        {
            PathInfo other = _paths[i] with { Path = NameOf("other " + _paths[i].Path.Value, i) };
            Directory.Move(Root + StoreDirectory.Default.FullPath(_paths[i].Path), Root + StoreDirectory.Default.FullPath(other.Path));
            _paths[i] = other;
        }

        Register();
    }

    private void Register()
    {
        using var writer = new StreamWriter(Registration);
        CvmfsNix.Cluster.Nix.PathInfos.Registration.Write(writer, StoreDirectory.Default, _paths);
    }

    private static StorePathName NameOf(string identity, int number) =>
        StorePathName.Create(SHA256.HashData(Encoding.UTF8.GetBytes(identity)).AsSpan(0, StorePathName.HashSize), $"package-{number}");

    // Sizes of a kind vary as exp of a normal distribution and are scaled to what the kind has of the bytes.
    private static (int Kind, int Size)[] Plan(Random random, int files, long bytes)
    {
        List<(int Kind, int Size)> plan = [];
        for (int kind = 0; kind < Kinds.Length; kind++)
        {
            double[] sizes = new double[Math.Max(1, (int)(files * Kinds[kind].OfFiles))];
            for (int i = 0; i < sizes.Length; i++)
                sizes[i] = Math.Exp(Kinds[kind].Spread * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            double scale = bytes * Kinds[kind].OfBytes / sizes.Sum();
            plan.AddRange(sizes.Select(size => (kind, Math.Clamp((int)(size * scale), 40, FileBytesMax))));
        }

        (int Kind, int Size)[] mixed = [.. plan];
        random.Shuffle(mixed);
        return mixed;
    }

    private static byte[] Content(Random random, byte[] source, int size)
    {
        byte[] content = new byte[size];
        if (source.Length == 0)
        {
            random.NextBytes(content);
            return content;
        }

        int from = random.Next(source.Length - Math.Min(size, source.Length - 1));
        source.AsSpan(from, Math.Min(size, source.Length - from)).CopyTo(content);
        for (int at = random.Next(Math.Max(1, Math.Min(size, OwnBytesEvery) - OwnBytes)); at < size; at += OwnBytesEvery)
        {
            // Digits and letters, which fit into a text as well.
            foreach (ref byte own in content.AsSpan(at, Math.Min(OwnBytes, size - at)))
                own = (byte)"0123456789abcdef"[random.Next(16)];
        }

        return content;
    }

    private static byte[] Gather(int smallest, long bytesMax, Func<string, bool> wanted, params string[] folders)
    {
        using var all = new MemoryStream();
        IEnumerable<string> files = folders.Where(Directory.Exists)
            .SelectMany(static f => Directory.EnumerateFiles(f, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true }))
            .Where(wanted).Order(StringComparer.Ordinal);
        // Every so often one, so that all folders have their part.
        string[] found = [.. files];
        const int Stride = 7;
        for (int start = 0; start < Stride && all.Length < bytesMax; start++)
        {
            for (int i = start; i < found.Length && all.Length < bytesMax; i += Stride)
            {
                if (new FileInfo(found[i]).Length is var length && length >= smallest && length <= FileBytesMax)
                    all.Write(File.ReadAllBytes(found[i]));
            }
        }

        return all.Length > 0 ? all.ToArray() : throw new InvalidOperationException($"{string.Join(", ", folders)} hold nothing to make a tree of.");
    }

    private sealed record Kind(string Place, double OfFiles, double OfBytes, double Spread);
}
