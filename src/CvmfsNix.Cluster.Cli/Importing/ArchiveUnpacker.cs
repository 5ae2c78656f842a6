using System.Security.Cryptography;
using CvmfsNix.Cluster.Cli.Files;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Compression;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.NarInfos;

namespace CvmfsNix.Cluster.Cli.Importing;

/// <summary>Fetches a path's archive from a cache and unpacks it to disk while its hashes are computed.</summary>
internal static class ArchiveUnpacker
{
    /// <summary>Makes <paramref name="destination"/>; what was there of an earlier attempt is replaced.</summary>
    /// <returns>Bytes that were read from the cache.</returns>
    /// <exception cref="CliException">The archive is not what the narinfo says, or cannot be written.</exception>
    public static Task<long> FetchAsync(BinaryCache cache, NarInfo info, byte[] destination, CancellationToken cancellationToken) =>
        cache.WithRetriesAsync(
            async () =>
            {
                BytePath.RemoveTree(destination);
                await using Stream file = await cache.OpenAsync(info.Url, cancellationToken);
                await using var counted = new HashedStream(file);
                (NarHash Hash, long NarSize) archive;
                try
                {
                    await using (Stream nar = NarDecompression.Open(counted, info.Compression))
                        archive = await UnpackAsync(nar, info.NarSize, destination, cancellationToken);
                    await counted.CopyToAsync(Stream.Null, cancellationToken);
                }
                catch (NarFormatException e)
                {
                    throw cache.Damaged(info.Url, e.Message);
                }
                catch (Exception e) when (NarDecompression.IsDamage(e))
                {
                    throw cache.Damaged(info.Url, $"it cannot be decompressed: {e.Message}");
                }

                catch (IOException e) when (e is not HttpIOException && e.InnerException is not System.Net.Sockets.SocketException)
                {
                    throw new CliException("WriteFailed", e.Message, BytePath.Show(destination), "see that the scratch folder has room, or name another with --scratch", innerException: e);
                }

                NarHash fileHash = counted.Hash();
                if (archive.Hash != info.NarHash || archive.NarSize != info.NarSize)
                    throw Mismatch(cache, info, $"its archive is {archive.Hash} with {archive.NarSize} bytes, its narinfo says {info.NarHash} with {info.NarSize}");
                if ((info.FileHash is { } said && said != fileHash) || (info.FileSize is { } size && size != counted.Count))
                    throw Mismatch(cache, info, $"its file is {fileHash} with {counted.Count} bytes, its narinfo says {info.FileHash} with {info.FileSize}");
                return counted.Count;
            },
            cancellationToken);

    private static CliException Mismatch(BinaryCache cache, NarInfo info, string problem) =>
        new("NarHashMismatch", $"The cache holds another content than it says: {problem}.", info.StoreDirectory.FullPath(info.Path), $"repair {cache.Name}, or import from another cache");

    private static async Task<(NarHash Hash, long NarSize)> UnpackAsync(Stream nar, long sizeMax, byte[] destination, CancellationToken cancellationToken)
    {
        using var reader = new NarReader(nar, computeHash: true);
        var open = new Stack<byte[]>();
        while (await reader.ReadAsync(cancellationToken) is { } next)
        {
            // A small file may unpack to anything: what is longer than announced is not written.
            if (reader.Offset + next.Size > sizeMax)
                throw new InvalidDataException($"it is longer than the {sizeMax} bytes announced");
            byte[] path = open.TryPeek(out byte[]? parent) ? BytePath.Combine(parent, next.Name.Span) : destination;
            switch (next.Kind)
            {
                case NarEventKind.DirectoryBegin:
                    BytePath.MakeDirectory(path);
                    open.Push(path);
                    break;
                case NarEventKind.DirectoryEnd:
                    open.Pop();
                    break;
                case NarEventKind.File:
                    await using (Stream file = BytePath.CreateFile(path, next.Executable))
                        await next.Content.CopyToAsync(file, cancellationToken);
                    break;
                case NarEventKind.Symlink:
                    BytePath.MakeSymlink(next.Target.Span, path);
                    break;
            }
        }

        return reader.Digest;
    }

    /// <summary>Hashes and counts what is read through it.</summary>
    private sealed class HashedStream(Stream source) : Stream
    {
        // The client's own time limit ends with the headers of an answer.
        private static readonly TimeSpan StallTime = TimeSpan.FromSeconds(60);

        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public long Count { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public NarHash Hash() => new(_hash.GetHashAndReset());

        public override int Read(byte[] buffer, int offset, int count) => Took(buffer.AsSpan(offset, count), source.Read(buffer, offset, count));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limited.CancelAfter(StallTime);
            try
            {
                int count = await source.ReadAsync(buffer, limited.Token);
                return Took(buffer.Span, count);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new HttpRequestException($"nothing came for {StallTime.TotalSeconds:0} s", e);
            }
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _hash.Dispose();
            base.Dispose(disposing);
        }

        private int Took(ReadOnlySpan<byte> buffer, int count)
        {
            _hash.AppendData(buffer[..count]);
            Count += count;
            return count;
        }
    }
}
