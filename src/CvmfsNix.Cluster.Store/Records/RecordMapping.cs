using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Google.Protobuf.Collections;
using PathInfo = CvmfsNix.Cluster.Nix.PathInfos.PathInfo;
using TreeNode = CvmfsNix.Cluster.Store.Trees.TreeNode;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>Between the records and their wire form. Everything read is checked as it is made: a bad file is an error here, not later.</summary>
internal static class RecordMapping
{
    private const int CountersOfACatalog = 12;
    private const int MaxTreeDepth = 2048;

    public static Wire.PathInfo ToWire(PathInfo info)
    {
        var wire = new Wire.PathInfo
        {
            Path = info.Path.Value,
            NarHash = ByteString.CopyFrom(info.NarHash.ToArray()),
            NarSize = info.NarSize,
            Deriver = info.Deriver?.Value ?? "",
            ContentAddress = info.ContentAddress ?? "",
        };
        foreach (StorePathName reference in info.References)
            wire.References.Add(reference.Value);
        wire.Signatures.AddRange(info.Signatures);
        return wire;
    }

    public static PathInfo FromWire(Wire.PathInfo wire, string file) => Checked(file, () => new PathInfo
    {
        Path = StorePathName.Parse(wire.Path),
        NarHash = new NarHash(wire.NarHash.Span),
        NarSize = wire.NarSize,
        References = [.. wire.References.Select(StorePathName.Parse)],
        Deriver = wire.Deriver.Length == 0 ? null : StorePathName.Parse(wire.Deriver),
        Signatures = [.. wire.Signatures],
        ContentAddress = wire.ContentAddress.Length == 0 ? null : wire.ContentAddress,
    });

    public static Wire.BundleHeader ToWire(BundleHeader header) => new()
    {
        Repository = header.Repository,
        Transaction = ByteString.CopyFrom(header.Transaction.ToByteArray(bigEndian: true)),
        Conflict = header.Conflict == ConflictPolicy.Refuse ? Wire.ConflictPolicy.Refuse : Wire.ConflictPolicy.Keep,
        Profile = header.Profile ?? "",
        ProfileTarget = header.ProfileTarget?.Value ?? "",
        DespiteWithdrawal = header.DespiteWithdrawal,
        Signed = { header.Signed.Select(ToWire) },
    };

    public static BundleHeader FromWire(Wire.BundleHeader wire, string file) => Checked(file, () => new BundleHeader(
        wire.Repository,
        new Guid(wire.Transaction.Span, bigEndian: true),
        wire.Conflict switch
        {
            Wire.ConflictPolicy.Keep => ConflictPolicy.Keep,
            Wire.ConflictPolicy.Refuse => ConflictPolicy.Refuse,
            _ => throw new FormatException($"the conflict policy {wire.Conflict} is not known"),
        },
        wire.Profile.Length == 0 ? null : wire.Profile,
        wire.ProfileTarget.Length == 0 ? null : StorePathName.Parse(wire.ProfileTarget))
    {
        DespiteWithdrawal = wire.DespiteWithdrawal,
        Signed = wire.Signed.Count == 0 ? [] : [.. wire.Signed.Select(info => FromWire(info, file))],
    });

    public static Wire.DeltaObject ToWire(DeltaObject value) => new()
    {
        Hash = Bytes(value.Name.Hash),
        Algorithm = (uint)value.Name.Hash.Algorithm,
        Kind = (uint)value.Name.Kind,
        StoredSize = value.StoredSize,
    };

    public static DeltaObject FromWire(Wire.DeltaObject wire, string file) => Checked(file, () =>
    {
        if (wire.Kind > byte.MaxValue || !Enum.IsDefined((ObjectKind)wire.Kind))
            throw new FormatException($"the object kind {wire.Kind} is not known");
        return new DeltaObject(new ObjectName(Hash(wire.Hash, wire.Algorithm), (ObjectKind)wire.Kind), wire.StoredSize);
    });

    public static Wire.DeltaContent ToWire(DeltaContent value)
    {
        StoredContent content = value.Content;
        var wire = new Wire.DeltaContent
        {
            Sha256 = ByteString.CopyFrom(value.Digest.ToArray()),
            Size = content.Size,
            Compressed = content.Compression == CompressionAlgorithm.Zlib,
            Algorithm = (uint)(content.Hash?.Algorithm ?? content.Chunks[0].Hash.Algorithm),
        };
        if (content.Hash is { } hash)
            wire.Hash = Bytes(hash);
        foreach (StoredChunk chunk in content.Chunks)
            wire.Chunks.Add(new Wire.Chunk { Offset = chunk.Offset, Size = chunk.Size, Hash = Bytes(chunk.Hash) });
        return wire;
    }

    public static DeltaContent FromWire(Wire.DeltaContent wire, string file) => Checked(file, () =>
    {
        if (wire.Hash.IsEmpty == (wire.Chunks.Count == 0))
            throw new FormatException("a content has neither or both of a whole-file object and chunks");
        return new DeltaContent(
            new ContentDigest(wire.Sha256.Span),
            new StoredContent(
                wire.Size,
                wire.Compressed ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None,
                wire.Hash.IsEmpty ? null : Hash(wire.Hash, wire.Algorithm),
                [.. wire.Chunks.Select(c => new StoredChunk(c.Offset, c.Size, Hash(c.Hash, wire.Algorithm)))]));
    });

    public static Wire.PathRecord ToWire(PathRecord record)
    {
        var wire = new Wire.PathRecord { Info = ToWire(record.Info) };
        if (record.Nested is { } nested)
        {
            wire.Nested = new Wire.NestedCatalog { Hash = Bytes(nested.Hash), Size = nested.Size, LinkCount = nested.LinkCount };
            CatalogCounts c = nested.Total;
            wire.Nested.Counts.AddRange(
            [
                c.Regular, c.Symlink, c.Special, c.Directory, c.Nested, c.Chunked,
                c.Chunks, c.FileSize, c.ChunkedSize, c.Xattr, c.External, c.ExternalFileSize,
            ]);
        }

        if (record.InlineTree is { } tree)
            AddTree(wire, tree);
        wire.Objects.AddRange(record.Objects.Select(ToWire));
        wire.Contents.AddRange(record.Contents.Select(ToWire));
        return wire;
    }

    public static PathRecord FromWire(Wire.PathRecord wire, HashAlgorithmId algorithm, string file)
    {
        if (wire.Info is null || (wire.Nested is null) == (wire.Tree.Count == 0))
            throw new RecordFormatException(file, "a path has no registration, or not exactly one of nested catalog and tree");
        return Checked(file, () => new PathRecord
        {
            Info = FromWire(wire.Info, file),
            Nested = wire.Nested is null ? null : Nested(wire.Nested, algorithm),
            InlineTree = wire.Nested is null ? Tree(wire.Tree, file) : null,
            Objects = [.. wire.Objects.Select(o => FromWire(o, file))],
            Contents = [.. wire.Contents.Select(c => FromWire(c, file))],
        });
    }

    private static NestedCatalogRecord Nested(Wire.NestedCatalog wire, HashAlgorithmId algorithm)
    {
        if (wire.Counts.Count != CountersOfACatalog)
            throw new FormatException($"a nested catalog has {wire.Counts.Count} counters instead of {CountersOfACatalog}");
        RepeatedField<long> c = wire.Counts;
        return new NestedCatalogRecord(
            new ObjectHash(algorithm, wire.Hash.Span),
            wire.Size,
            new CatalogCounts
            {
                Regular = c[0],
                Symlink = c[1],
                Special = c[2],
                Directory = c[3],
                Nested = c[4],
                Chunked = c[5],
                Chunks = c[6],
                FileSize = c[7],
                ChunkedSize = c[8],
                Xattr = c[9],
                External = c[10],
                ExternalFileSize = c[11],
            },
            wire.LinkCount);
    }

    // Flat, with counts of children: nested messages would meet the parser's limit of 100 levels.
    private static void AddTree(Wire.PathRecord wire, TreeNode node)
    {
        var flat = new Wire.TreeNode
        {
            Kind = node.Kind switch
            {
                TreeNodeKind.Directory => Wire.TreeNode.Types.Kind.Directory,
                TreeNodeKind.Regular => Wire.TreeNode.Types.Kind.Regular,
                _ => Wire.TreeNode.Types.Kind.Symlink,
            },
            Name = ByteString.CopyFrom(node.Name.Span),
            Executable = node.Executable,
            Target = ByteString.CopyFrom(node.Target.Span),
            Children = node.Children.Count,
        };
        if (node.Content is { } content)
            flat.Content = ToWire(new DeltaContent(node.Digest, content));
        wire.Tree.Add(flat);
        foreach (TreeNode child in node.Children)
            AddTree(wire, child);
    }

    private static TreeNode Tree(RepeatedField<Wire.TreeNode> flat, string file)
    {
        int next = 0;
        TreeNode root = Take(0);
        return next == flat.Count ? root : throw new FormatException("nodes follow the end of a path's tree");

        TreeNode Take(int depth)
        {
            if (next == flat.Count || depth > MaxTreeDepth)
                throw new FormatException("a path's tree lacks nodes or is too deep");
            Wire.TreeNode node = flat[next++];
            if (node.Children < 0 || node.Children > flat.Count - next)
                throw new FormatException($"a directory claims {node.Children} children");
            DeltaContent? content = node.Content is null ? null : FromWire(node.Content, file);
            return new TreeNode
            {
                Kind = node.Kind switch
                {
                    Wire.TreeNode.Types.Kind.Directory => TreeNodeKind.Directory,
                    Wire.TreeNode.Types.Kind.Regular when content is not null => TreeNodeKind.Regular,
                    Wire.TreeNode.Types.Kind.Symlink => TreeNodeKind.Symlink,
                    _ => throw new FormatException($"a node of kind {node.Kind} is not legal here"),
                },
                Name = node.Name.Memory,
                Executable = node.Executable,
                Digest = content?.Digest ?? default,
                Content = content?.Content,
                Target = node.Target.Memory,
                Children = Children(node.Children, depth + 1),
            };
        }

        TreeNode[] Children(int count, int depth)
        {
            var children = new TreeNode[count];
            for (int i = 0; i < count; i++)
                children[i] = Take(depth);
            return children;
        }
    }

    private static ByteString Bytes(ObjectHash hash) => ByteString.CopyFrom(hash.ToArray());

    private static ObjectHash Hash(ByteString bytes, uint algorithm) =>
        algorithm <= byte.MaxValue && Enum.IsDefined((HashAlgorithmId)algorithm)
            ? new ObjectHash((HashAlgorithmId)algorithm, bytes.Span)
            : throw new FormatException($"the hash algorithm {algorithm} is not known");

    private static T Checked<T>(string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            throw new RecordFormatException(file, e.Message, e);
        }
    }
}
