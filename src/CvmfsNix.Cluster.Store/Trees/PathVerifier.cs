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
public sealed class PathVerifier(IObjectStore objects, RepositoryFormat format)
{
    private const int BufferSize = 128 * 1024;

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

        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        using var archive = new NarHashBuilder();
        try
        {
            Append(archive, upload.Root, upload.Info.Path.Value, buffer, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        (NarHash hash, long size) = archive.Finish();
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

    private void Append(NarHashBuilder archive, TreeNode node, string path, byte[] buffer, CancellationToken cancellationToken)
    {
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                archive.BeginDirectory(node.Name.Span);
                foreach (TreeNode child in node.Children)
                    Append(archive, child, path + "/" + System.Text.Encoding.UTF8.GetString(child.Name.Span), buffer, cancellationToken);
                archive.EndDirectory();
                break;
            case TreeNodeKind.Symlink:
                archive.Symlink(node.Name.Span, node.Target.Span);
                break;
            default:
                archive.BeginFile(node.Name.Span, node.Executable, node.Content!.Size);
                AppendContent(archive, node, path, buffer, cancellationToken);
                archive.EndFile();
                break;
        }
    }

    private void AppendContent(NarHashBuilder archive, TreeNode file, string path, byte[] buffer, CancellationToken cancellationToken)
    {
        StoredContent content = file.Content!;
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (content.Hash is { } whole)
            AppendObject(new ObjectName(whole, ObjectKind.Data), content.Size);
        foreach (StoredChunk chunk in content.Chunks)
            AppendObject(new ObjectName(chunk.Hash, ObjectKind.Chunk), chunk.Size);

        if (new ContentDigest(digest.GetHashAndReset()) != file.Digest)
            throw Mismatch(path, $"the objects of {path} do not hold the content with SHA-256 {file.Digest}");

        void AppendObject(ObjectName name, long size)
        {
            using Stream stored = objects.OpenRead(name) ?? throw Missing(name, path);
            using Stream plain = ObjectCompression.OpenDecompressor(stored, content.Compression);
            long left = size;
            try
            {
                for (int read; (read = plain.Read(buffer)) > 0; left -= read)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    if (read > left)
                        throw Mismatch(path, $"object {name} of {path} holds more than {size} bytes");
                    digest.AppendData(buffer, 0, read);
                    archive.AppendFile(buffer.AsSpan(0, read));
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
}
