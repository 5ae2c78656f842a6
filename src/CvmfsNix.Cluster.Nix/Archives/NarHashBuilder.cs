using System.Buffers;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// The NAR hash and size of a tree that is described call by call: the grammar and checks of <see cref="NarWriter"/>, fed
/// into SHA-256 instead of a stream. Not thread-safe.
/// </summary>
public sealed class NarHashBuilder : IDisposable
{
    // Framing of small entries is gathered, so that the hash is fed in blocks worth the call.
    private const int BufferSize = 32 * 1024;

    private readonly NarFraming _framing = new();
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _used;
    private long _flushed;

    private byte[] Buffer => _buffer ?? throw new ObjectDisposedException(nameof(NarHashBuilder));

    private Span<byte> Free => Buffer.AsSpan(_used);

    /// <summary>Begins a directory; the root has an empty name.</summary>
    public void BeginDirectory(ReadOnlySpan<byte> name)
    {
        MakeRoom();
        _used += _framing.BeginDirectory(Free, name);
    }

    public void EndDirectory()
    {
        MakeRoom();
        _used += _framing.EndDirectory(Free);
    }

    /// <summary>Begins a file; exactly <paramref name="size"/> bytes follow by <see cref="AppendFile"/>, then <see cref="EndFile"/>.</summary>
    public void BeginFile(ReadOnlySpan<byte> name, bool executable, long size)
    {
        MakeRoom();
        _used += _framing.BeginFile(Free, name, executable, size);
    }

    public void AppendFile(ReadOnlySpan<byte> bytes)
    {
        _framing.FileBytes(bytes.Length);
        if (bytes.Length > Buffer.Length - _used)
            Flush();
        if (bytes.Length >= BufferSize / 4)
        {
            Flush();
            _hash.AppendData(bytes);
            _flushed += bytes.Length;
            return;
        }

        bytes.CopyTo(Buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    public void EndFile()
    {
        MakeRoom();
        _used += _framing.EndFile(Free);
    }

    public void Symlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        MakeRoom();
        _used += _framing.Symlink(Free, name, target);
    }

    /// <summary>The hash of the complete archive and its size in bytes. Called once.</summary>
    /// <exception cref="InvalidOperationException">The archive is not complete.</exception>
    public (NarHash Hash, long NarSize) Finish()
    {
        _framing.Finish();
        Flush();
        Span<byte> digest = stackalloc byte[NarHash.Size];
        _hash.GetHashAndReset(digest);
        return (new NarHash(digest), _flushed);
    }

    public void Dispose()
    {
        _hash.Dispose();
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
    }

    private void MakeRoom()
    {
        if (Buffer.Length - _used < NarFraming.MaxFrameSize)
            Flush();
    }

    private void Flush()
    {
        _hash.AppendData(Buffer.AsSpan(0, _used));
        _flushed += _used;
        _used = 0;
    }
}
