using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>Content of a file, object after object, each verified and opened when its turn comes.</summary>
internal sealed class FileContentStream(ObjectFetcher fetcher, IReadOnlyList<(ObjectName Name, long Size)> parts, CompressionAlgorithm compression) : Stream
{
    private int _next;
    private Stream? _current;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;
        while (await OpenCurrentAsync(cancellationToken).ConfigureAwait(false) is { } current)
        {
            var count = await current.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count > 0) return count;
            await current.DisposeAsync().ConfigureAwait(false);
            _current = null;
            _next++;
        }

        return 0;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Opens the first part, so that a missing object is told at once.</summary>
    public async Task StartAsync(CancellationToken cancellationToken) => _ = await OpenCurrentAsync(cancellationToken).ConfigureAwait(false);

    protected override void Dispose(bool disposing)
    {
        if (disposing) _current?.Dispose();
        base.Dispose(disposing);
    }

    private async ValueTask<Stream?> OpenCurrentAsync(CancellationToken cancellationToken)
    {
        if (_current is null && _next < parts.Count)
        {
            var (name, size) = parts[_next];
            _current = await fetcher.OpenAsync(name, compression, size, size, cancellationToken).ConfigureAwait(false);
        }

        return _current;
    }
}
