using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Reading;

/// <summary>Stored bytes of an object on their way through; the end is reported only when the digest is that of the name.</summary>
internal sealed class HashCheckingStream(ObjectName name, Stream stored, string source) : Stream
{
    private readonly ObjectHasher _hasher = new(name.Hash.Algorithm);
    private bool _ended;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty || _ended) return 0;
        int count;
        try
        {
            count = stored.Read(buffer);
        }
        catch (IOException e) when (e is not RepositoryUnreachableException)
        {
            throw Broken(e);
        }

        return Took(buffer[..count]);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || _ended) return 0;
        int count;
        try
        {
            count = await stored.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e) when (e is not RepositoryUnreachableException)
        {
            throw Broken(e);
        }

        return Took(buffer.Span[..count]);
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
        {
            stored.Dispose();
            _hasher.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Took(ReadOnlySpan<byte> bytes)
    {
        _hasher.Append(bytes);
        if (!bytes.IsEmpty) return bytes.Length;
        _ended = true;
        var found = _hasher.Finish();
        return found == name.Hash ? 0 : throw new ObjectCorruptException(name, $"its bytes in {source} have the digest {found}");
    }

    private RepositoryUnreachableException Broken(IOException e) => new($"Object {name} cannot be read from {source}: {e.Message}", e);
}
