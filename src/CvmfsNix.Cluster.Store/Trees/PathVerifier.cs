using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using CvmfsNix.Cluster.Store.Records;

namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>
/// A path whose objects are in the store and hold what its registration promises.
/// Only <see cref="PathVerifier"/> makes one, so that whoever is handed it need not ask who checked.
/// </summary>
public sealed class VerifiedPath
{
    internal VerifiedPath(PathUpload upload, IReadOnlyList<DeltaObject> objects)
    {
        Upload = upload;
        Objects = objects;
    }

    /// <summary>What the builder handed in.</summary>
    public PathUpload Upload { get; }

    /// <summary>The objects of its files, each once.</summary>
    public IReadOnlyList<DeltaObject> Objects { get; }
}

/// <summary>
/// Checks a path that a builder hands in: nothing it says is believed. Every object is read back from the store, the archive is
/// recomputed from them and must have the registered hash and size. Stateless and thread-safe.
/// </summary>
/// <param name="objects">Where the path's objects must be.</param>
/// <param name="format">The repository's store directory and hash algorithm.</param>
/// <param name="known">
/// The content that a digest was found to stand for when its object was taken, by this node or by a commit; never what a builder says. A file that is said to be such a content,
/// in that object, is not hashed a second time: the archive's hash has it.
/// </param>
public sealed class PathVerifier(IObjectStore objects, RepositoryFormat format, Func<ContentDigest, StoredContent?>? known = null)
{
    private const int BufferSize = 128 * 1024;

    // To look a content up costs as much as to hash so many bytes.
    private const int LookedUpBytesMin = 128 * 1024;

    // What is compressed and not larger than a chunk is inflated as a whole. An object was read strictly when it was taken, so that any decoder is good here.
    private const int WholeBytesMax = 16 << 20;

    /// <summary>Verifies the path; takes the memory of its tree and one buffer. CPU-bound: runs on the pool.</summary>
    /// <exception cref="PathRejectedException">Names the rule that is broken and the file or path that breaks it.</exception>
    public Task<VerifiedPath> VerifyAsync(PathUpload upload, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(upload);
        return Task.Run(() => Verify(upload, cancellationToken), cancellationToken);
    }

    private VerifiedPath Verify(PathUpload upload, CancellationToken cancellationToken)
    {
        TreeRules.Check(upload, format.StoreRoot, format.HashAlgorithm);
        List<DeltaObject> delta = Sizes(upload);

        using var reading = new Reading();
        Append(reading, upload.Root, upload.Info.Path.Value, cancellationToken);
        (NarHash hash, long size) = reading.Archive.Finish();
        PathInfo info = upload.Info;
        if (hash != info.NarHash || size != info.NarSize)
        {
            throw new PathRejectedException(
                PathRejectionCodes.NarHashMismatch,
                info.Path.Value,
                $"{info.Path} is registered with NAR hash {info.NarHash} and {info.NarSize} bytes, its tree has {hash} and {size} bytes. The path on the builder is damaged (nix-store --verify-path tells) or was changed while it was read.");
        }

        CheckContentAddress(info);
        return new VerifiedPath(upload, delta);
    }

    private List<DeltaObject> Sizes(PathUpload upload)
    {
        var delta = new List<DeltaObject>();
        foreach (ObjectName name in PathObjects.Of(upload.Root))
        {
            delta.Add(new DeltaObject(name, objects.StoredSize(name) ?? throw Missing(name, upload.Info.Path.Value)));
        }

        return delta;
    }

    private void Append(Reading reading, TreeNode node, string path, CancellationToken cancellationToken)
    {
        NarHashBuilder archive = reading.Archive;
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                archive.BeginDirectory(node.Name.Span);
                foreach (TreeNode child in node.Children)
                    Append(reading, child, path + "/" + System.Text.Encoding.UTF8.GetString(child.Name.Span), cancellationToken);
                archive.EndDirectory();
                break;
            case TreeNodeKind.Symlink:
                archive.Symlink(node.Name.Span, node.Target.Span);
                break;
            default:
                archive.BeginFile(node.Name.Span, node.Executable, node.Content!.Size);
                AppendContent(reading, node, path, cancellationToken);
                archive.EndFile();
                break;
        }
    }

    private void AppendContent(Reading reading, TreeNode file, string path, CancellationToken cancellationToken)
    {
        StoredContent content = file.Content!;
        IncrementalHash? digest = IsKnown(file.Digest, content) ? null : reading.Digest;
        if (content.Hash is { } whole)
            AppendObject(new ObjectName(whole, ObjectKind.Data), content.Size);
        foreach (StoredChunk chunk in content.Chunks)
            AppendObject(new ObjectName(chunk.Hash, ObjectKind.Chunk), chunk.Size);

        if (digest is not null && new ContentDigest(digest.GetHashAndReset()) != file.Digest)
            throw Mismatch(path, $"the objects of {path} do not hold the content with SHA-256 {file.Digest}");

        void AppendObject(ObjectName name, long size)
        {
            using Stream stored = objects.OpenRead(name) ?? throw Missing(name, path);
            if (content.Compression == CompressionAlgorithm.Zlib && size <= WholeBytesMax && stored.CanSeek && stored.Length <= WholeBytesMax)
            {
                ReadOnlySpan<byte> bytes = reading.Inflate(stored, (int)size, out bool inflated);
                if (inflated)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    digest?.AppendData(bytes);
                    reading.Archive.AppendFile(bytes);
                    return;
                }

                // Read once more, to tell what is wrong with it.
                stored.Position = 0;
            }

            using Stream plain = ObjectCompression.OpenDecompressor(stored, content.Compression);
            byte[] buffer = reading.Buffer;
            long left = size;
            try
            {
                for (int read; (read = plain.Read(buffer)) > 0; left -= read)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (read > left)
                        throw Mismatch(path, $"object {name} of {path} holds more than {size} bytes");
                    digest?.AppendData(buffer, 0, read);
                    reading.Archive.AppendFile(buffer.AsSpan(0, read));
                }
            }
            catch (ObjectCorruptException e)
            {
                throw Mismatch(path, $"object {name} of {path} cannot be inflated: {e.What}", e);
            }

            if (left > 0)
                throw Mismatch(path, $"object {name} of {path} holds {size - left} instead of {size} bytes");
        }
    }

    private bool IsKnown(ContentDigest digest, StoredContent content) =>
        content.Hash is { } whole && content.Size >= LookedUpBytesMin && known?.Invoke(digest) is { } found
        && found.Hash == whole && found.Size == content.Size && found.Compression == content.Compression;

    private void CheckContentAddress(PathInfo info)
    {
        if (info.ContentAddress is not { } address)
            return;
        bool? matches;
        try
        {
            matches = StorePathComputation.Matches(format.StoreDirectory, info.Path, address, info.NarHash, info.References);
        }
        catch (FormatException e)
        {
            throw new PathRejectedException(PathRejectionCodes.ContentAddressMismatch, info.Path.Value, $"The content address of {info.Path} cannot be read: {e.Message}", e);
        }

        if (matches is false)
        {
            throw new PathRejectedException(
                PathRejectionCodes.ContentAddressMismatch,
                info.Path.Value,
                $"{info.Path} is not the store path that its content address {address} leads to.");
        }
    }

    private static PathRejectedException Missing(ObjectName name, string path) => new(
        PathRejectionCodes.ObjectMissing,
        path,
        $"Object {name}, which {path} needs, is not in the store. Send it before the path.");

    private static PathRejectedException Mismatch(string path, string problem, Exception? inner = null) =>
        new(PathRejectionCodes.ContentMismatch, path, $"A file is not what it is said to be: {problem}.", inner);

    /// <summary>What reading the objects of one path takes: buffers, which grow to the largest object, and hashes.</summary>
    private sealed class Reading : IDisposable
    {
        private byte[] _stored = [];
        private byte[] _plain = [];

        public NarHashBuilder Archive { get; } = new();

        public IncrementalHash Digest { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public byte[] Buffer { get; } = ArrayPool<byte>.Shared.Rent(BufferSize);

        /// <summary>The content of a compressed object, until the next.</summary>
        public ReadOnlySpan<byte> Inflate(Stream stored, int size, out bool inflated)
        {
            int length = (int)stored.Length;
            Grow(ref _stored, length);
            Grow(ref _plain, size);
            stored.ReadExactly(_stored, 0, length);
            inflated = BlockCompressor.Best.TryInflate(_stored.AsSpan(0, length), _plain.AsSpan(0, size));
            return _plain.AsSpan(0, size);
        }

        public void Dispose()
        {
            Archive.Dispose();
            Digest.Dispose();
            Grow(ref _stored, 0);
            Grow(ref _plain, 0);
            ArrayPool<byte>.Shared.Return(Buffer);
        }

        private static void Grow(ref byte[] buffer, int size)
        {
            if (size > 0 && buffer.Length >= size)
                return;
            if (buffer.Length > 0)
                ArrayPool<byte>.Shared.Return(buffer);
            buffer = size > 0 ? ArrayPool<byte>.Shared.Rent(size) : [];
        }
    }
}
