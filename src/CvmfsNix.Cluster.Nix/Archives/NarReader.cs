using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Nix.Hashing;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// Reads a Nix archive from a stream, step by step, in constant memory whatever the archive says. Every rule of the format
/// is enforced: known words only, ascending names, limits of <see cref="NarRules"/>, zero padding, and nothing after the end.
/// The stream is read to its end but not closed. Not thread-safe.
/// </summary>
/// <remarks>
/// The archive is accepted only when <see cref="ReadAsync"/> has returned null. After an error (cancellation included) the
/// reader cannot go on.
/// </remarks>
public sealed class NarReader : IDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly Stream _source;
    private readonly IncrementalHash? _hash;
    private readonly byte[]?[] _lastNames = new byte[]?[NarRules.MaxDepth + 1];
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _start;
    private int _end;
    private long _consumed;
    private State _state = State.Start;
    private int _depth;
    private NarContentStream? _content;
    private long _contentLeft;
    private int _contentPadding;
    private (NarHash Hash, long NarSize)? _digest;

    /// <param name="nar">The archive, uncompressed.</param>
    /// <param name="computeHash">Whether to hash all bytes on the way; see <see cref="Digest"/>.</param>
    public NarReader(Stream nar, bool computeHash = false)
    {
        ArgumentNullException.ThrowIfNull(nar);
        _source = nar;
        _hash = computeHash ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    private enum State
    {
        Start,
        Inside,
        Finished,
        Failed,
    }

    /// <summary>Bytes of the archive taken so far; after the end, its size.</summary>
    public long Offset => _consumed;

    /// <summary>Hash and size of the archive, once it was read to its end by a reader made with <c>computeHash</c>.</summary>
    public (NarHash Hash, long NarSize) Digest =>
        _digest ?? throw new InvalidOperationException("The digest is there once a reader made with computeHash has read to the end.");

    /// <summary>The next step, or null when the archive is complete and the stream has ended after it.</summary>
    /// <exception cref="NarFormatException">The bytes are no valid archive.</exception>
    public async ValueTask<NarEvent?> ReadAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_buffer is null, this);
        if (_state == State.Finished)
            return null;
        if (_state == State.Failed)
            throw new InvalidOperationException("The reader has failed before and cannot go on.");

        // Counts as failed until the step is complete, so that no exception leaves a half-taken step behind.
        State before = _state;
        _state = State.Failed;
        NarEvent? next;
        if (before == State.Start)
        {
            await ExpectAsync("nix-archive-1", cancellationToken);
            next = await ReadNodeAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);
        }
        else
        {
            if (_content is not null)
                await FinishFileAsync(cancellationToken);
            next = _depth == 0 ? null : await ReadEntryAsync(cancellationToken);
        }

        if (next is null)
            await ExpectEndAsync(cancellationToken);
        _state = next is null ? State.Finished : State.Inside;
        return next;
    }

    public void Dispose()
    {
        _hash?.Dispose();
        _content = null;
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
    }

    internal int ReadContent(NarContentStream content, Span<byte> destination)
    {
        CheckContent(content);
        destination = destination[..(int)Math.Min(destination.Length, _contentLeft)];
        if (destination.IsEmpty)
            return 0;
        int read = TakeBuffered(destination);
        if (read == 0 && destination.Length >= BufferSize)
        {
            read = CheckRead(_source.Read(destination), "file content");
            _hash?.AppendData(destination[..read]);
        }
        else if (read == 0)
        {
            Filled(_source.Read(RoomToFill().Span), "file content");
            read = TakeBuffered(destination);
        }

        return Advance(read);
    }

    internal async ValueTask<int> ReadContentAsync(NarContentStream content, Memory<byte> destination, CancellationToken cancellationToken)
    {
        CheckContent(content);
        destination = destination[..(int)Math.Min(destination.Length, _contentLeft)];
        if (destination.IsEmpty)
            return 0;
        int read = TakeBuffered(destination.Span);
        if (read == 0 && destination.Length >= BufferSize)
        {
            read = CheckRead(await _source.ReadAsync(destination, cancellationToken), "file content");
            _hash?.AppendData(destination.Span[..read]);
        }
        else if (read == 0)
        {
            Filled(await _source.ReadAsync(RoomToFill(), cancellationToken), "file content");
            read = TakeBuffered(destination.Span);
        }

        return Advance(read);
    }

    private async ValueTask<NarEvent> ReadEntryAsync(CancellationToken cancellationToken)
    {
        if (await ReadWordAsync(")", "entry", cancellationToken))
        {
            _depth--;
            await CloseEntryAsync(cancellationToken);
            return new NarEvent { Kind = NarEventKind.DirectoryEnd };
        }

        await ExpectAsync("(", cancellationToken);
        await ExpectAsync("name", cancellationToken);
        long at = _consumed;
        byte[] name = await ReadBytesAsync(NarRules.MaxNameLength, "a name", cancellationToken);
        if (NarRules.NameProblem(name) is { } problem)
            throw new NarFormatException(at, problem, "a name of 1 to 255 bytes, not . or .., without slash and NUL");
        byte[] last = _lastNames[_depth] ?? [];
        if (name.AsSpan().SequenceCompareTo(last) <= 0)
            throw new NarFormatException(at, $"the name {NarRules.Show(name)}", $"a name that comes after {NarRules.Show(last)}");
        _lastNames[_depth] = name;
        await ExpectAsync("node", cancellationToken);
        return await ReadNodeAsync(name, cancellationToken);
    }

    private async ValueTask<NarEvent> ReadNodeAsync(ReadOnlyMemory<byte> name, CancellationToken cancellationToken)
    {
        await ExpectAsync("(", cancellationToken);
        await ExpectAsync("type", cancellationToken);
        long at = _consumed;
        byte[] type = await ReadBytesAsync(16, "regular, directory or symlink", cancellationToken);
        if (type.AsSpan().SequenceEqual("regular"u8))
            return await ReadRegularAsync(name, cancellationToken);
        if (type.AsSpan().SequenceEqual("symlink"u8))
            return await ReadSymlinkAsync(name, cancellationToken);
        if (!type.AsSpan().SequenceEqual("directory"u8))
            throw new NarFormatException(at, NarRules.Show(type), "regular, directory or symlink");
        if (_depth == NarRules.MaxDepth)
            throw new NarFormatException(at, $"a directory at depth {_depth + 1}", $"at most {NarRules.MaxDepth} directories inside one another");
        _depth++;
        _lastNames[_depth] = null;
        return new NarEvent { Kind = NarEventKind.DirectoryBegin, Name = name };
    }

    private async ValueTask<NarEvent> ReadRegularAsync(ReadOnlyMemory<byte> name, CancellationToken cancellationToken)
    {
        bool executable = await ReadWordAsync("executable", "contents", cancellationToken);
        if (executable)
        {
            await ExpectAsync("", cancellationToken);
            await ExpectAsync("contents", cancellationToken);
        }

        long at = _consumed;
        ulong size = await ReadLengthAsync(cancellationToken);
        if (size > (ulong)(long.MaxValue - _consumed - 8))
            throw new NarFormatException(at, $"a file of {size} bytes", "a size that fits 63 bits together with its offset");

        _content = new NarContentStream(this, (long)size);
        _contentLeft = (long)size;
        _contentPadding = NarToken.Padding((long)size);
        return new NarEvent
        {
            Kind = NarEventKind.File,
            Name = name,
            Executable = executable,
            Size = (long)size,
            ContentOffset = _consumed,
            Content = _content,
        };
    }

    private async ValueTask<NarEvent> ReadSymlinkAsync(ReadOnlyMemory<byte> name, CancellationToken cancellationToken)
    {
        await ExpectAsync("target", cancellationToken);
        long at = _consumed;
        byte[] target = await ReadBytesAsync(NarRules.MaxTargetLength, "a symlink target", cancellationToken);
        if (NarRules.TargetProblem(target) is { } problem)
            throw new NarFormatException(at, problem, "a target of 1 to 4095 bytes without NUL");
        await ExpectAsync(")", cancellationToken);
        await CloseEntryAsync(cancellationToken);
        return new NarEvent { Kind = NarEventKind.Symlink, Name = name, Target = target };
    }

    private async ValueTask FinishFileAsync(CancellationToken cancellationToken)
    {
        _content = null;
        while (_contentLeft > 0)
        {
            if (_start == _end)
                Filled(await _source.ReadAsync(RoomToFill(), cancellationToken), "file content");
            int skipped = (int)Math.Min(_contentLeft, _end - _start);
            _start += skipped;
            Advance(skipped);
        }

        await EnsureAsync(_contentPadding, "padding", cancellationToken);
        TakePadding(_contentPadding);
        await ExpectAsync(")", cancellationToken);
        await CloseEntryAsync(cancellationToken);
    }

    private ValueTask CloseEntryAsync(CancellationToken cancellationToken) =>
        _depth > 0 ? ExpectAsync(")", cancellationToken) : ValueTask.CompletedTask;

    private async ValueTask ExpectEndAsync(CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            int read = await _source.ReadAsync(RoomToFill(), cancellationToken);
            _end += read;
        }

        if (_start != _end)
            throw new NarFormatException(_consumed, "more bytes", "the end of the archive");
        if (_hash is null)
            return;
        byte[] digest = _hash.GetHashAndReset();
        _digest = (new NarHash(digest), _consumed);
    }

    private async ValueTask ExpectAsync(string word, CancellationToken cancellationToken) => await ReadWordAsync(word, null, cancellationToken);

    /// <summary>Takes one word, which is <paramref name="first"/> (true) or <paramref name="second"/> (false); anything else is an error.</summary>
    private async ValueTask<bool> ReadWordAsync(string first, string? second, CancellationToken cancellationToken)
    {
        string expected = second is null ? $"\"{first}\"" : $"\"{first}\" or \"{second}\"";
        long at = _consumed;
        await EnsureAsync(8, expected, cancellationToken);
        ulong length = PeekLength();
        bool isFirst = length == (ulong)first.Length;
        bool fits = isFirst || (second is not null && length == (ulong)second.Length);
        if (!fits)
            throw new NarFormatException(at, $"a string of {length} bytes", expected);

        int padding = NarToken.Padding((int)length);
        await EnsureAsync(8 + (int)length + padding, expected, cancellationToken);
        ReadOnlySpan<byte> found = _buffer.AsSpan(_start + 8, (int)length);
        string word = isFirst ? first : second!;
        if (!System.Text.Ascii.Equals(found, word))
            throw new NarFormatException(at, NarRules.Show(found), expected);
        Take(8 + (int)length);
        TakePadding(padding);
        return isFirst;
    }

    private async ValueTask<byte[]> ReadBytesAsync(int maxLength, string expected, CancellationToken cancellationToken)
    {
        long at = _consumed;
        ulong length = await ReadLengthAsync(cancellationToken);
        if (length > (ulong)maxLength)
            throw new NarFormatException(at, $"a string of {length} bytes", $"{expected}, at most {maxLength} bytes");
        int padding = NarToken.Padding((int)length);
        await EnsureAsync((int)length + padding, expected, cancellationToken);
        byte[] bytes = _buffer.AsSpan(_start, (int)length).ToArray();
        Take((int)length);
        TakePadding(padding);
        return bytes;
    }

    private async ValueTask<ulong> ReadLengthAsync(CancellationToken cancellationToken)
    {
        await EnsureAsync(8, "a length", cancellationToken);
        ulong length = PeekLength();
        Take(8);
        return length;
    }

    private ulong PeekLength() => BinaryPrimitives.ReadUInt64LittleEndian(_buffer.AsSpan(_start));

    private void TakePadding(int padding)
    {
        int bad = _buffer.AsSpan(_start, padding).IndexOfAnyExcept((byte)0);
        if (bad >= 0)
            throw new NarFormatException(_consumed + bad, $"padding byte 0x{_buffer![_start + bad]:x2}", "zero");
        Take(padding);
    }

    private void Take(int count)
    {
        _start += count;
        _consumed += count;
    }

    private ValueTask EnsureAsync(int count, string expected, CancellationToken cancellationToken) =>
        _end - _start >= count ? ValueTask.CompletedTask : FillAsync(count, expected, cancellationToken);

    private async ValueTask FillAsync(int count, string expected, CancellationToken cancellationToken)
    {
        while (_end - _start < count)
            Filled(await _source.ReadAsync(RoomToFill(), cancellationToken), expected);
    }

    /// <summary>The free end of the buffer, after moving what is left to its front. Never empty: no single word fills the buffer.</summary>
    private Memory<byte> RoomToFill()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        return _buffer.AsMemory(_end);
    }

    private void Filled(int read, string expected)
    {
        if (read == 0)
            throw new NarFormatException(_consumed + (_end - _start), "the end of the stream", expected);
        _hash?.AppendData(_buffer.AsSpan(_end, read));
        _end += read;
    }

    private int CheckRead(int read, string expected) =>
        read > 0 ? read : throw new NarFormatException(_consumed, "the end of the stream", expected);

    private int TakeBuffered(Span<byte> destination)
    {
        int count = Math.Min(destination.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(destination);
        _start += count;
        return count;
    }

    private int Advance(int count)
    {
        _contentLeft -= count;
        _consumed += count;
        return count;
    }

    private void CheckContent(NarContentStream content)
    {
        if (!ReferenceEquals(content, _content))
            throw new InvalidOperationException("The content of a file cannot be read after the reader has moved on.");
    }
}
