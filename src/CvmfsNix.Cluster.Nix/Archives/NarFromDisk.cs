using System.Buffers;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// The Nix archive of a tree on disk: a directory, or a single file or symlink. Owners, times and all mode bits but the
/// owner's execute bit do not count, as with Nix.
/// </summary>
/// <remarks>
/// Fails with <see cref="DiskAccessException"/>, <see cref="UnsupportedFileTypeException"/> or <see cref="FileChangedException"/>,
/// which name the path, and with <see cref="NarTreeException"/> for what the format cannot express.
/// </remarks>
public static class NarFromDisk
{
    private const int ReadSize = 256 * 1024;

    /// <summary>Hash and size of the archive, without making it. Runs on the thread pool.</summary>
    public static Task<(NarHash Hash, long NarSize)> HashAsync(string path, CancellationToken cancellationToken = default) =>
        HashAsync(DiskPath.FromText(path), cancellationToken);

    /// <inheritdoc cref="HashAsync(string, CancellationToken)"/>
    public static Task<(NarHash Hash, long NarSize)> HashAsync(ReadOnlyMemory<byte> path, CancellationToken cancellationToken = default) =>
        Task.Run(() => Hash(path.Span, cancellationToken), cancellationToken);

    /// <summary>Writes the archive to <paramref name="destination"/>, which is flushed and left open.</summary>
    public static Task WriteAsync(string path, Stream destination, CancellationToken cancellationToken = default) =>
        WriteAsync(DiskPath.FromText(path), destination, cancellationToken);

    /// <inheritdoc cref="WriteAsync(string, Stream, CancellationToken)"/>
    public static Task WriteAsync(ReadOnlyMemory<byte> path, Stream destination, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        return Task.Run(
            async () =>
            {
                using NarWriter writer = new(destination);
                await WriteNodeAsync(writer, DiskTree.Stat(path.Span), ReadOnlyMemory<byte>.Empty, 1, cancellationToken);
                await writer.FinishAsync(cancellationToken);
            },
            cancellationToken);
    }

    private static (NarHash Hash, long NarSize) Hash(ReadOnlySpan<byte> path, CancellationToken cancellationToken)
    {
        using NarHashBuilder builder = new();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ReadSize);
        try
        {
            HashNode(builder, buffer, DiskTree.Stat(path), [], 1, cancellationToken);
            return builder.Finish();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void HashNode(
        NarHashBuilder builder, byte[] buffer, DiskEntry entry, ReadOnlySpan<byte> name, int depth, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        switch (entry.Kind)
        {
            case NarEntryKind.Directory:
                CheckDepth(entry, depth);
                builder.BeginDirectory(name);
                foreach (DiskEntry child in DiskTree.List(entry.FullPath.Span))
                    HashNode(builder, buffer, child, child.Name.Span, depth + 1, cancellationToken);
                builder.EndDirectory();
                break;

            case NarEntryKind.Regular:
                using (Stream content = DiskTree.OpenRead(entry))
                {
                    builder.BeginFile(name, entry.Executable, entry.Size);
                    int read;
                    while ((read = content.Read(buffer)) > 0)
                    {
                        builder.AppendFile(buffer.AsSpan(0, read));
                        cancellationToken.ThrowIfCancellationRequested();
                    }

                    builder.EndFile();
                }

                break;

            default:
                builder.Symlink(name, entry.SymlinkTarget.Span);
                break;
        }
    }

    private static async ValueTask WriteNodeAsync(
        NarWriter writer, DiskEntry entry, ReadOnlyMemory<byte> name, int depth, CancellationToken cancellationToken)
    {
        switch (entry.Kind)
        {
            case NarEntryKind.Directory:
                CheckDepth(entry, depth);
                await writer.BeginDirectoryAsync(name, cancellationToken);
                foreach (DiskEntry child in DiskTree.List(entry.FullPath.Span))
                    await WriteNodeAsync(writer, child, child.Name, depth + 1, cancellationToken);
                await writer.EndDirectoryAsync(cancellationToken);
                break;

            case NarEntryKind.Regular:
                await using (Stream content = DiskTree.OpenRead(entry))
                    await writer.WriteFileAsync(name, entry.Executable, entry.Size, content, cancellationToken);
                break;

            default:
                await writer.WriteSymlinkAsync(name, entry.SymlinkTarget, cancellationToken);
                break;
        }
    }

    private static void CheckDepth(DiskEntry entry, int depth)
    {
        if (depth > NarRules.MaxDepth)
            throw new NarTreeException($"{DiskPath.Show(entry.FullPath.Span)} is nested deeper than {NarRules.MaxDepth} directories; Nix archives allow no more.");
    }
}
