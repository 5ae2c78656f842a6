using System.Collections.Concurrent;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Ingest;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Packs;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.TestKit.Objects;

namespace CvmfsNix.Cluster.Tests.Store.Ingest;

/// <summary>A repository in memory that checks everything it is sent, as a node does.</summary>
public sealed class MemoryTarget : IPublishTarget
{
    private readonly PathVerifier _verifier;
    private int _uploading;

    public MemoryTarget() => _verifier = new PathVerifier(Objects, new RepositoryFormat
    {
        Repository = "test.example.org",
        StoreDirectory = StoreDirectory.Default,
        HashAlgorithm = HashAlgorithmId.Sha1,
        Certificate = new ObjectHash(HashAlgorithmId.Sha1, new byte[20]),
    });

    public HashAlgorithmId HashAlgorithm => HashAlgorithmId.Sha1;

    public MemoryObjectStore Objects { get; } = new();

    public ConcurrentDictionary<ContentDigest, StoredContent> Contents { get; } = new();

    public ConcurrentQueue<PackedObject> Received { get; } = new();

    public List<PathUpload> Paths { get; } = [];

    public List<int> Questions { get; } = [];

    public int Packs { get; private set; }

    public int UploadsAtOnceMax { get; private set; }

    /// <summary>Called with the number of the upload, from 1, before it is read.</summary>
    public Func<int, Task>? BeforeUpload { get; set; }

    public Task<IReadOnlyList<StoredContent?>> FindContentAsync(IReadOnlyList<ContentDigest> digests, CancellationToken cancellationToken)
    {
        lock (Questions)
            Questions.Add(digests.Count);
        return Task.FromResult<IReadOnlyList<StoredContent?>>([.. digests.Select(d => Contents.GetValueOrDefault(d))]);
    }

    public async Task UploadPackAsync(Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken)
    {
        int number;
        lock (Questions)
        {
            number = ++Packs;
            UploadsAtOnceMax = Math.Max(UploadsAtOnceMax, ++_uploading);
        }

        if (BeforeUpload is { } before)
            await before(number);
        using var pack = new MemoryStream();
        await writePack(pack, cancellationToken);
        // A retry writes the same bytes.
        using var again = new MemoryStream();
        await writePack(again, cancellationToken);
        if (!pack.ToArray().AsSpan().SequenceEqual(again.ToArray()))
            throw new InvalidDataException("A pack written twice differs.");
        pack.Position = 0;
        var reader = new ObjectPackReader(pack);
        await using ObjectBatch batch = Objects.BeginBatch();
        while (await reader.ReadAsync(cancellationToken) is var (header, content))
        {
            if (await batch.AddAsync(header.Name.Kind, content, cancellationToken) != header.Name)
                throw new InvalidDataException($"{header.Name} has other bytes.");
            Received.Enqueue(header);
        }

        await batch.CompleteAsync(cancellationToken);
        lock (Questions)
            _uploading--;
    }

    public async Task AddPathAsync(PathUpload upload, CancellationToken cancellationToken)
    {
        await _verifier.VerifyAsync(upload, cancellationToken);
        Paths.Add(upload);
        foreach (TreeNode file in FilesOf(upload.Root))
            Contents.TryAdd(file.Digest, file.Content!);
    }

    public static IEnumerable<TreeNode> FilesOf(TreeNode node) =>
        node.Kind == TreeNodeKind.Regular ? [node] : node.Children.SelectMany(FilesOf);

    /// <summary>The plaintext of a file, read from its objects.</summary>
    public byte[] Read(TreeNode file)
    {
        using var plain = new MemoryStream();
        IEnumerable<ObjectName> names = file.Content!.Hash is { } whole
            ? [new ObjectName(whole, ObjectKind.Data)]
            : file.Content.Chunks.Select(c => new ObjectName(c.Hash, ObjectKind.Chunk));
        foreach (ObjectName name in names)
        {
            using Stream part = ObjectCompression.OpenDecompressor(Objects.OpenRead(name)!, file.Content.Compression);
            part.CopyTo(plain);
        }

        if (new ContentDigest(SHA256.HashData(plain.ToArray())) != file.Digest)
            throw new InvalidDataException("The objects of a file hold other bytes than it has.");
        return plain.ToArray();
    }
}
