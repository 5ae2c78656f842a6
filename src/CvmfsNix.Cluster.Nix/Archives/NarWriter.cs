using System.Buffers;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// Writes a Nix archive to a stream as its tree is walked, in constant memory. Entries of a directory come in ascending
/// order of their bytes; the root has an empty name. Every call has an asynchronous and a synchronous form, which may be
/// mixed. Not thread-safe. The destination is neither closed nor flushed before the archive is finished.
/// </summary>
/// <remarks>
/// Trees the format cannot express are a <see cref="NarTreeException"/>, calls out of sequence an
/// <see cref="InvalidOperationException"/>. After any error the archive is of no use.
/// </remarks>
public sealed class NarWriter : IDisposable
{
    private const int BufferSize = 128 * 1024;

    private readonly Stream _destination;
    private readonly NarFraming _framing = new();
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _used;
    private long _flushed;

    public NarWriter(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        _destination = destination;
    }

    /// <summary>Bytes of archive produced so far; after finishing, the NAR size.</summary>
    public long BytesWritten => _flushed + _used;

    private byte[] Buffer => _buffer ?? throw new ObjectDisposedException(nameof(NarWriter));

    private Span<byte> Free => Buffer.AsSpan(_used);

    public async ValueTask BeginDirectoryAsync(ReadOnlyMemory<byte> name, CancellationToken cancellationToken = default)
    {
        await MakeRoomAsync(cancellationToken);
        _used += _framing.BeginDirectory(Free, name.Span);
    }

    public async ValueTask EndDirectoryAsync(CancellationToken cancellationToken = default)
    {
        await MakeRoomAsync(cancellationToken);
        _used += _framing.EndDirectory(Free);
    }

    /// <summary>Writes a file whose content is read from <paramref name="content"/>, which must hold exactly <paramref name="size"/> more bytes.</summary>
    /// <exception cref="InvalidDataException">The stream holds fewer or more bytes.</exception>
    public async ValueTask WriteFileAsync(
        ReadOnlyMemory<byte> name, bool executable, long size, Stream content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        await MakeRoomAsync(cancellationToken);
        _used += _framing.BeginFile(Free, name.Span, executable, size);
        while (_framing.FileLeft > 0)
        {
            await MakeRoomAsync(cancellationToken);
            int wanted = (int)Math.Min(_framing.FileLeft, Buffer.Length - _used);
            int read = await content.ReadAsync(Buffer.AsMemory(_used, wanted), cancellationToken);
            if (read == 0)
                throw new InvalidDataException($"The content of {NarRules.Show(name.Span)} ended {_framing.FileLeft} bytes short of its size {size}.");
            _framing.FileBytes(read);
            _used += read;
        }

        await MakeRoomAsync(cancellationToken);
        if (await content.ReadAsync(Buffer.AsMemory(_used, 1), cancellationToken) != 0)
            throw new InvalidDataException($"The content of {NarRules.Show(name.Span)} is longer than its size {size}.");
        _used += _framing.EndFile(Free);
    }

    public async ValueTask WriteSymlinkAsync(ReadOnlyMemory<byte> name, ReadOnlyMemory<byte> target, CancellationToken cancellationToken = default)
    {
        await MakeRoomAsync(cancellationToken);
        _used += _framing.Symlink(Free, name.Span, target.Span);
    }

    /// <summary>Checks that the archive is complete and flushes it through the destination.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken = default)
    {
        _framing.Finish();
        await FlushBufferAsync(cancellationToken);
        await _destination.FlushAsync(cancellationToken);
    }

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

    /// <summary>Begins a file; exactly <paramref name="size"/> bytes follow by <see cref="WriteFileBytes"/>, then <see cref="EndFile"/>.</summary>
    public void BeginFile(ReadOnlySpan<byte> name, bool executable, long size)
    {
        MakeRoom();
        _used += _framing.BeginFile(Free, name, executable, size);
    }

    public void WriteFileBytes(ReadOnlySpan<byte> bytes)
    {
        _framing.FileBytes(bytes.Length);
        if (bytes.Length > Buffer.Length - _used)
            FlushBuffer();
        if (bytes.Length > Buffer.Length)
        {
            _destination.Write(bytes);
            _flushed += bytes.Length;
            return;
        }

        bytes.CopyTo(Free);
        _used += bytes.Length;
    }

    public void EndFile()
    {
        MakeRoom();
        _used += _framing.EndFile(Free);
    }

    public void WriteSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        MakeRoom();
        _used += _framing.Symlink(Free, name, target);
    }

    /// <inheritdoc cref="FinishAsync"/>
    public void Finish()
    {
        _framing.Finish();
        FlushBuffer();
        _destination.Flush();
    }

    /// <summary>Returns the buffer. What was not finished is lost.</summary>
    public void Dispose()
    {
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
    }

    private void MakeRoom()
    {
        if (Buffer.Length - _used < NarFraming.MaxFrameSize)
            FlushBuffer();
    }

    private ValueTask MakeRoomAsync(CancellationToken cancellationToken) =>
        Buffer.Length - _used < NarFraming.MaxFrameSize ? FlushBufferAsync(cancellationToken) : ValueTask.CompletedTask;

    private void FlushBuffer()
    {
        _destination.Write(Buffer.AsSpan(0, _used));
        _flushed += _used;
        _used = 0;
    }

    private async ValueTask FlushBufferAsync(CancellationToken cancellationToken)
    {
        await _destination.WriteAsync(Buffer.AsMemory(0, _used), cancellationToken);
        _flushed += _used;
        _used = 0;
    }
}
