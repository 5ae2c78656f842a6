using System.Buffers;
using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Archives;

/// <summary>
/// The Nix archive of a committed path, put together from the objects of its files when it is read, from any byte on. Immutable and
/// thread-safe; its memory is that of the tree and of the archive's frames, never of contents.
/// </summary>
public sealed class CommittedArchive
{
    private const int Block = 64 * 1024;

    private readonly RepositoryStore _store;
    private readonly Func<ObjectName, CancellationToken, Task<bool>>? _bring;
    private readonly TreeNode _root;
    private readonly NarOutline _outline;
    private readonly StoredContent[] _contents;

    /// <summary>Lays the archive out.</summary>
    /// <param name="store">Where the objects are.</param>
    /// <param name="root">The tree, as <see cref="CommittedTrees"/> gives it.</param>
    /// <param name="bring">Tries to bring an object here that is not; null = there is nowhere to bring it from.</param>
    /// <exception cref="NarTreeException">No archive can hold the tree.</exception>
    public CommittedArchive(RepositoryStore store, TreeNode root, Func<ObjectName, CancellationToken, Task<bool>>? bring = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(root);
        (_store, _root, _bring) = (store, root, bring);
        var builder = new NarOutlineBuilder();
        Describe(builder, root);
        _outline = builder.Finish();
        _contents = [.. PathObjects.FilesOf(root).Select(f => f.Content!)];
    }

    /// <summary>Bytes of the archive.</summary>
    public long Size => _outline.Size;

    /// <summary>About how much memory it takes; bytes.</summary>
    public long MemorySize => (2L * _outline.Frames.Length) + (256L * _contents.Length);

    /// <summary>Writes a part of the archive.</summary>
    /// <param name="destination">Gets the bytes in blocks.</param>
    /// <param name="offset">First byte.</param>
    /// <param name="length">Bytes; offset and length lie within <see cref="Size"/>.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="IncompleteStoreException">An object is not here.</exception>
    /// <exception cref="ObjectCorruptException">An object is damaged.</exception>
    public async Task WriteAsync(IBufferedOutput destination, long offset, long length, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Size - offset);
        long end = offset + length;
        int gap = _outline.GapAt(offset);
        long at = offset;
        while (at < end)
        {
            NarGap? next = gap < _outline.Gaps.Count ? _outline.Gaps[gap] : null;
            long frameEnd = Math.Min(end, next?.Offset ?? Size);
            if (at < frameEnd)
            {
                // Contents before this place: what the archive has more than the frames up to the next gap.
                long contents = next is { } n ? n.Offset - n.FrameOffset : Size - _outline.Frames.Length;
                await destination.WriteAsync(_outline.Frames.Slice((int)(at - contents), (int)(frameEnd - at)), cancellationToken).ConfigureAwait(false);
                at = frameEnd;
            }

            if (at >= end || next is not { } file)
                continue;
            long skipped = at - file.Offset;
            long wanted = Math.Min(end - at, file.Size - skipped);
            await WriteContentAsync(destination, _contents[gap], skipped, wanted, cancellationToken).ConfigureAwait(false);
            at += wanted;
            gap++;
        }
    }

    /// <summary>The listing of the tree as binary caches give it: JSON with the place of each content in the archive.</summary>
    public ReadOnlyMemory<byte> ToListing()
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 4 * NarRules.MaxDepth }))
        {
            int gap = 0;
            writer.WriteStartObject();
            writer.WriteNumber("version", 1);
            writer.WritePropertyName("root");
            List(writer, _root, ref gap);
            writer.WriteEndObject();
        }

        return json.WrittenMemory;
    }

    private static void Describe(NarOutlineBuilder outline, TreeNode node)
    {
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                outline.BeginDirectory(node.Name.Span);
                foreach (TreeNode child in node.Children)
                    Describe(outline, child);
                outline.EndDirectory();
                break;
            case TreeNodeKind.Symlink:
                outline.Symlink(node.Name.Span, node.Target.Span);
                break;
            default:
                outline.File(node.Name.Span, node.Executable, node.Content!.Size);
                break;
        }
    }

    private void List(Utf8JsonWriter writer, TreeNode node, ref int gap)
    {
        writer.WriteStartObject();
        switch (node.Kind)
        {
            case TreeNodeKind.Directory:
                writer.WriteString("type", "directory");
                writer.WriteStartObject("entries");
                foreach (TreeNode child in node.Children)
                {
                    writer.WritePropertyName(Encoding.UTF8.GetString(child.Name.Span));
                    List(writer, child, ref gap);
                }

                writer.WriteEndObject();
                break;
            case TreeNodeKind.Symlink:
                writer.WriteString("type", "symlink");
                writer.WriteString("target", Encoding.UTF8.GetString(node.Target.Span));
                break;
            default:
                writer.WriteString("type", "regular");
                writer.WriteNumber("size", node.Content!.Size);
                if (node.Executable)
                    writer.WriteBoolean("executable", true);
                writer.WriteNumber("narOffset", _outline.Gaps[gap++].Offset);
                break;
        }

        writer.WriteEndObject();
    }

    private async Task WriteContentAsync(IBufferedOutput destination, StoredContent content, long offset, long length, CancellationToken cancellationToken)
    {
        if (length == 0)
            return;
        if (content.Hash is { } whole)
        {
            await WriteObjectAsync(destination, new ObjectName(whole, ObjectKind.Data), content, content.Size, offset, length, cancellationToken).ConfigureAwait(false);
            return;
        }

        foreach (StoredChunk chunk in content.Chunks)
        {
            long from = Math.Max(offset, chunk.Offset);
            long to = Math.Min(offset + length, chunk.Offset + chunk.Size);
            if (from < to)
                await WriteObjectAsync(destination, new ObjectName(chunk.Hash, ObjectKind.Chunk), content, chunk.Size, from - chunk.Offset, to - from, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task WriteObjectAsync(
        IBufferedOutput destination, ObjectName name, StoredContent content, long size, long offset, long length, CancellationToken cancellationToken)
    {
        Stream stored = await StoredObjects.OpenAsync(_store, name, _bring, cancellationToken).ConfigureAwait(false);
        await using (stored.ConfigureAwait(false))
        {
            if (content.Compression == CompressionAlgorithm.None)
            {
                stored.Seek(offset, SeekOrigin.Begin);
                await CopyAsync(destination, stored, name, length, cancellationToken).ConfigureAwait(false);
                return;
            }

            using Stream plain = ObjectCompression.OpenDecompressor(stored, content.Compression, leaveOpen: true);
            Skip(plain, name, offset, cancellationToken);
            await CopyAsync(destination, plain, name, length, cancellationToken).ConfigureAwait(false);
        }
    }

    // Objects are files: reading them waits for the disk here, as opening them has. An asynchronous read is the same wait on a thread of the
    // pool, with its queue in between for every 8 KiB that the inflater asks for.
    private static void Skip(Stream plain, ObjectName name, long count, CancellationToken cancellationToken)
    {
        byte[] block = ArrayPool<byte>.Shared.Rent(Block);
        try
        {
            while (count > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int read = plain.Read(block, 0, (int)Math.Min(count, Block));
                if (read == 0)
                    throw Short(name);
                count -= read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    private static async Task CopyAsync(IBufferedOutput destination, Stream plain, ObjectName name, long count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            int asked = (int)Math.Min(count, Block);
            int read = plain.Read(destination.Room(asked).Span);
            if (read == 0)
                throw Short(name);
            await destination.TakeAsync(read, cancellationToken).ConfigureAwait(false);
            count -= read;
        }
    }

    private static InvalidDataException Short(ObjectName name) => new($"Object {name} holds fewer bytes than its file is said to have.");
}
