using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Store;
using Google.Protobuf;
using CliDigest = CvmfsNix.Cluster.Cli.Publishing.RequestDigest;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>
/// A publish that was read, hashed and compressed beforehand: what is left is what goes over the wire, so that builders take little of a
/// machine that the nodes run on as well.
/// </summary>
internal sealed class LoadPublish
{
    private readonly IReadOnlyList<SyntheticPath> _paths;
    private readonly Dictionary<ContentDigest, (PackedObject Header, byte[] Stored)> _contents = [];

    /// <param name="repository">Fully qualified name.</param>
    /// <param name="paths">All paths of the closure, references first.</param>
    public LoadPublish(string repository, params IReadOnlyList<SyntheticPath> paths)
    {
        Repository = repository;
        _paths = paths;
        foreach (SyntheticPath path in paths)
            Gather(path.Upload.Root, path.Objects);
        Digest = ByteString.CopyFrom(CliDigest.Compute(repository, Infos, null, null, ConflictPolicy.Keep));
    }

    public string Repository { get; }

    /// <summary>The same for every attempt.</summary>
    public string Transaction { get; } = Guid.CreateVersion7().ToString();

    public ByteString Digest { get; }

    public IEnumerable<PathInfo> Infos => _paths.Select(p => p.Upload.Info);

    /// <summary>The first question.</summary>
    public BeginRequest Question(string builder)
    {
        var begin = new BeginRequest { Repository = Repository, Transaction = Transaction, RequestDigest = Digest, Last = true, Builder = builder };
        begin.Paths.AddRange(Infos.Select(i => new PathQuery { Path = i.Path.Value, NarHash = ByteString.CopyFrom(i.NarHash.ToArray()) }));
        return begin;
    }

    /// <summary>Those paths that the repository lacks.</summary>
    public IReadOnlyList<PathUpload> Missing(IReadOnlyList<PathPresence> presence) =>
        [.. _paths.Where((_, i) => presence[i] == PathPresence.Missing).Select(p => p.Upload)];

    /// <summary>Digests of all contents of paths.</summary>
    public static IReadOnlyList<ContentDigest> ContentsOf(IEnumerable<PathUpload> paths)
    {
        var found = new HashSet<ContentDigest>();
        foreach (PathUpload path in paths)
            Walk(path.Root, node => found.Add(node.Digest));
        return [.. found];
    }

    /// <summary>An object pack of contents.</summary>
    public async Task WritePackAsync(IEnumerable<ContentDigest> contents, Stream destination, CancellationToken cancellationToken)
    {
        var pack = new ObjectPackWriter(destination);
        foreach (ContentDigest digest in contents)
        {
            (PackedObject header, byte[] stored) = _contents[digest];
            await pack.WriteAsync(header, stored, cancellationToken);
        }

        await pack.FinishAsync(cancellationToken);
    }

    private void Gather(TreeNode root, IReadOnlyDictionary<ObjectName, byte[]> objects) => Walk(root, node =>
    {
        Store.Trees.StoredContent content = node.Content!;
        var name = new ObjectName(content.Hash!.Value, ObjectKind.Data);
        _contents.TryAdd(node.Digest, (new PackedObject(name, content.Compression, objects[name].Length, content.Size), objects[name]));
    });

    private static void Walk(TreeNode node, Action<TreeNode> file)
    {
        if (node.Kind == TreeNodeKind.Regular)
            file(node);
        if (node.Kind != TreeNodeKind.Directory)
            return;
        foreach (TreeNode child in node.Children)
            Walk(child, file);
    }
}
