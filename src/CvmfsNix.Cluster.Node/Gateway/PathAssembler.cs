using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Store.Trees;
using StoredContent = CvmfsNix.Cluster.Store.Trees.StoredContent;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>
/// Puts the parts of a stream of paths together, one path at a time: header, entries in NAR order, end. Refuses what no archive can hold
/// (order, nesting, names) and what would take unbounded memory, before anything is verified.
/// </summary>
/// <param name="algorithm">Of the repository's object names.</param>
public sealed class PathAssembler(HashAlgorithmId algorithm)
{
    /// <summary>Entries of one message.</summary>
    public const int EntriesPerMessageMax = 2_000;

    private const int ShownBytesMax = 60;
    private const int ReferencesMax = 100_000;
    private const int SignaturesMax = 64;
    private const int TextLengthMax = 1024;
    private readonly Stack<Directory> _open = new();
    private PathInfo? _info;
    private TreeNode? _root;
    private int _entries;

    /// <summary>True between the header of a path and its end.</summary>
    public bool InPath => _info is not null;

    /// <summary>Starts a path.</summary>
    /// <exception cref="NodeException">InvalidRequest or InvalidTree.</exception>
    public void Begin(PathHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        if (_info is not null)
            throw Invalid("another path starts before its end");
        StorePathName path = Requests.StorePath(header.Path);
        if (header.NarHash.Length != NarHash.Size)
            throw Requests.Invalid(path.Value, $"Its NAR hash has {header.NarHash.Length} bytes, not {NarHash.Size}.");
        if (header.NarSize <= 0)
            throw Requests.Invalid(path.Value, $"Its NAR size is {header.NarSize}.");
        if (header.References.Count > ReferencesMax || header.Signatures.Count > SignaturesMax
            || header.ContentAddress.Length > TextLengthMax || header.Signatures.Any(s => s.Length > TextLengthMax))
            throw Requests.Invalid(path.Value, $"It has more than {ReferencesMax} references, more than {SignaturesMax} signatures, or a text above {TextLengthMax} characters.");
        StorePathName[] references = [.. header.References.Select(Requests.StorePath)];
        for (int i = 1; i < references.Length; i++)
        {
            if (references[i - 1] >= references[i])
                throw Requests.Invalid(path.Value, $"Its references are not in ascending order without repetition at {references[i]}.");
        }

        (_root, _entries) = (null, 0);
        _open.Clear();
        _info = new PathInfo
        {
            Path = path,
            NarHash = new NarHash(header.NarHash.Span),
            NarSize = header.NarSize,
            References = references,
            Deriver = header.Deriver.Length == 0 ? null : Requests.StorePath(header.Deriver),
            Signatures = [.. header.Signatures],
            ContentAddress = header.ContentAddress.Length == 0 ? null : header.ContentAddress,
        };
    }

    /// <summary>Adds entries to the path that was started.</summary>
    /// <exception cref="NodeException">InvalidTree.</exception>
    public void Add(TreePart part)
    {
        ArgumentNullException.ThrowIfNull(part);
        if (_info is null)
            throw Invalid("entries come before the header of their path");
        if (part.Entries.Count > EntriesPerMessageMax)
            throw Invalid($"a message holds {part.Entries.Count} entries; at most {EntriesPerMessageMax} are taken");
        if ((_entries += part.Entries.Count(e => e.Kind != TreeEntryKind.DirectoryEnd)) > TreeLimits.EntriesMax)
            throw TooLarge();
        foreach (TreeEntry entry in part.Entries)
            Add(entry);
    }

    /// <summary>Ends the path.</summary>
    /// <exception cref="NodeException">InvalidTree.</exception>
    public PathUpload End()
    {
        if (_info is null)
            throw Invalid("an end comes before the header of its path");
        if (_root is null)
            throw Invalid(_open.Count > 0 ? $"{_open.Count} directories are not ended" : "it has no entry");
        var upload = new PathUpload(_info, _root);
        (_info, _root) = (null, null);
        return upload;
    }

    private void Add(TreeEntry entry)
    {
        if (_root is not null)
            throw Invalid("an entry follows after the end of the root");
        if (entry.Kind == TreeEntryKind.DirectoryEnd)
        {
            if (!_open.TryPop(out Directory? ended))
                throw Invalid("a directory ends that was not begun");
            Place(new TreeNode { Kind = TreeNodeKind.Directory, Name = ended.Name, Children = ended.Children });
            return;
        }

        ReadOnlyMemory<byte> name = Name(entry.Name.Memory);
        switch (entry.Kind)
        {
            case TreeEntryKind.DirectoryBegin:
                if (_open.Count >= TreeLimits.DepthMax)
                    throw Invalid($"directories are nested deeper than {TreeLimits.DepthMax}");
                _open.Push(new Directory(name));
                break;
            case TreeEntryKind.Regular:
                Place(new TreeNode
                {
                    Kind = TreeNodeKind.Regular,
                    Name = name,
                    Executable = entry.Executable,
                    Digest = Requests.Digest(entry.Sha256.Span),
                    Content = Content(entry.Content),
                });
                break;
            case TreeEntryKind.Symlink:
                if (entry.Target.Length is 0 or > TreeLimits.TargetBytesMax || entry.Target.Span.Contains((byte)0))
                    throw Invalid($"the target of the symbolic link \"{Shown(name.Span)}\" has {entry.Target.Length} bytes; it has 1 to {TreeLimits.TargetBytesMax}, none of them NUL");
                Place(new TreeNode { Kind = TreeNodeKind.Symlink, Name = name, Target = entry.Target.Memory });
                break;
            default:
                throw Invalid($"an entry has the unknown kind {(int)entry.Kind}");
        }
    }

    private ReadOnlyMemory<byte> Name(ReadOnlyMemory<byte> name)
    {
        ReadOnlySpan<byte> bytes = name.Span;
        if (!_open.TryPeek(out Directory? parent))
            return bytes.IsEmpty ? name : throw Invalid("its root has a name");
        if (bytes.Length is 0 or > TreeLimits.NameBytesMax || bytes.IndexOfAny((byte)0, (byte)'/') >= 0 || bytes.SequenceEqual("."u8) || bytes.SequenceEqual(".."u8))
            throw Invalid($"\"{Shown(bytes)}\" is no name of {bytes.Length} bytes: one has 1 to {TreeLimits.NameBytesMax} without slash and NUL and is not . or ..");
        if (parent.Last is { } last && last.Span.SequenceCompareTo(bytes) is var order and >= 0)
            throw Invalid(order == 0 ? $"\"{Shown(bytes)}\" comes twice in one directory" : $"\"{Shown(bytes)}\" does not come after \"{Shown(last.Span)}\" bytewise");
        parent.Last = name;
        return name;
    }

    private void Place(TreeNode node)
    {
        if (_open.TryPeek(out Directory? parent))
            parent.Children.Add(node);
        else
            _root = node;
    }

    private StoredContent Content(Contracts.Publishing.StoredContent? content)
    {
        if (content is null || content.Size < 0)
            throw Invalid("a file has no content");
        CompressionAlgorithm compression = content.Compressed ? CompressionAlgorithm.Zlib : CompressionAlgorithm.None;
        if (content.Chunks.Count == 0)
            return new StoredContent(content.Size, compression, Hash(content.Hash.Span), []);
        if (!content.Hash.IsEmpty)
            throw Invalid("a file's content is one object or chunks, not both");
        long covered = 0;
        var chunks = new StoredChunk[content.Chunks.Count];
        for (int i = 0; i < chunks.Length; i++)
        {
            StoredPart part = content.Chunks[i];
            if (part.Offset != covered || part.Size <= 0 || part.Size > content.Size - covered)
                throw Invalid("a file's chunks do not cover it from 0 without gap");
            chunks[i] = new StoredChunk(part.Offset, part.Size, Hash(part.Hash.Span));
            covered += part.Size;
        }

        return covered == content.Size
            ? new StoredContent(content.Size, compression, null, chunks)
            : throw Invalid("a file's chunks do not cover it to its end");
    }

    private ObjectHash Hash(ReadOnlySpan<byte> digest) =>
        digest.Length == ObjectHash.Size ? new ObjectHash(algorithm, digest) : throw Invalid($"an object hash has {digest.Length} bytes, not {ObjectHash.Size}");

    private NodeException Invalid(string problem) =>
        new(new NodeError(NodeCodes.InvalidTree, $"The tree is malformed: {problem}.", _info?.Path.Value ?? "", "Publish with a program of the node's version."));

    private NodeException TooLarge() => new(new NodeError(
        NodeCodes.InvalidTree,
        $"The path has more than {TreeLimits.EntriesMax} files, directories and links, the most that one store path may have.",
        _info?.Path.Value ?? "",
        "Build it as several store paths, or pack what is many and small into an archive."));

    // Foreign bytes: neither endless nor able to draw on a terminal.
    private static string Shown(ReadOnlySpan<byte> name)
    {
        string text = System.Text.Encoding.UTF8.GetString(name[..Math.Min(name.Length, ShownBytesMax)]);
        return string.Concat(text.Select(c => char.IsControl(c) ? $"\\x{(int)c:x2}" : c.ToString())) + (name.Length > ShownBytesMax ? "…" : "");
    }

    private sealed class Directory(ReadOnlyMemory<byte> name)
    {
        public ReadOnlyMemory<byte> Name { get; } = name;

        public List<TreeNode> Children { get; } = [];

        public ReadOnlyMemory<byte>? Last { get; set; }
    }
}
