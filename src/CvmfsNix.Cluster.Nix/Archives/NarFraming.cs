using System.Buffers.Binary;

namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>
/// Everything of an archive but the file contents: encodes the words between them and checks the sequence of calls, the
/// order of names, depth and sizes. It owns no buffer; each call writes at most <see cref="MaxFrameSize"/> bytes.
/// </summary>
internal sealed class NarFraming
{
    /// <summary>Room that a caller provides for one call: words around a name of 255 and a target of 4095 bytes.</summary>
    public const int MaxFrameSize = 5120;

    private readonly byte[]?[] _lastNames = new byte[]?[NarRules.MaxDepth + 1];
    private readonly int[] _lastNameLengths = new int[NarRules.MaxDepth + 1];
    private State _state = State.Start;
    private int _depth;
    private long _fileSize;
    private long _fileLeft;

    private enum State
    {
        Start,
        InDirectory,
        InFile,
        Complete,
    }

    /// <summary>Bytes of the current file that were not yet passed.</summary>
    public long FileLeft => _fileLeft;

    public int BeginDirectory(Span<byte> destination, ReadOnlySpan<byte> name)
    {
        CheckNode(name);
        if (_depth == NarRules.MaxDepth)
            throw new NarTreeException($"The directory {NarRules.Show(name)} is nested deeper than {NarRules.MaxDepth} levels; Nix archives allow no more.");
        int used = OpenNode(destination, name);
        NarToken.Directory.CopyTo(destination[used..]);
        _depth++;
        _lastNameLengths[_depth] = 0;
        _state = State.InDirectory;
        return used + NarToken.Directory.Length;
    }

    public int EndDirectory(Span<byte> destination)
    {
        if (_state != State.InDirectory)
            throw new InvalidOperationException($"No directory can be ended in the state {_state}.");
        _depth--;
        return CloseNode(destination);
    }

    public int BeginFile(Span<byte> destination, ReadOnlySpan<byte> name, bool executable, long size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        CheckNode(name);
        int used = OpenNode(destination, name);
        byte[] words = executable ? NarToken.Executable : NarToken.Regular;
        words.CopyTo(destination[used..]);
        used += words.Length;
        BinaryPrimitives.WriteInt64LittleEndian(destination[used..], size);
        _fileSize = size;
        _fileLeft = size;
        _state = State.InFile;
        return used + 8;
    }

    /// <summary>Accounts for content the caller passes on itself.</summary>
    public void FileBytes(long count)
    {
        if (_state != State.InFile)
            throw new InvalidOperationException($"File content does not belong in the state {_state}.");
        if (count > _fileLeft)
            throw new InvalidOperationException($"The file was begun with {_fileSize} bytes and now gets at least {count - _fileLeft} more.");
        _fileLeft -= count;
    }

    public int EndFile(Span<byte> destination)
    {
        if (_state != State.InFile)
            throw new InvalidOperationException($"No file can be ended in the state {_state}.");
        if (_fileLeft != 0)
            throw new InvalidOperationException($"The file was begun with {_fileSize} bytes and got {_fileLeft} fewer.");
        int padding = NarToken.Padding(_fileSize);
        destination[..padding].Clear();
        return padding + CloseNode(destination[padding..]);
    }

    public int Symlink(Span<byte> destination, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        CheckNode(name);
        if (NarRules.TargetProblem(target) is { } problem)
            throw new NarTreeException($"The symlink {NarRules.Show(name)} cannot be archived: {problem}.");
        int used = OpenNode(destination, name);
        NarToken.Symlink.CopyTo(destination[used..]);
        used += NarToken.Symlink.Length;
        used += NarToken.Write(destination[used..], target);
        return used + CloseNode(destination[used..]);
    }

    public void Finish()
    {
        if (_state != State.Complete)
            throw new InvalidOperationException($"The archive is not complete: it ends in the state {_state}, {_depth} directories open.");
    }

    private void CheckNode(ReadOnlySpan<byte> name)
    {
        if (_state == State.Start)
        {
            if (!name.IsEmpty)
                throw new ArgumentException("The root of an archive has no name.", nameof(name));
            return;
        }

        if (_state != State.InDirectory)
            throw new InvalidOperationException($"No entry can be added in the state {_state}.");
        if (NarRules.NameProblem(name) is { } problem)
            throw new NarTreeException($"A directory entry cannot be archived: {problem}.");
        ReadOnlySpan<byte> last = _lastNames[_depth].AsSpan(0, _lastNameLengths[_depth]);
        if (name.SequenceCompareTo(last) <= 0)
            throw new NarTreeException($"Entries are not in ascending order of their bytes: {NarRules.Show(name)} after {NarRules.Show(last)}.");
    }

    private int OpenNode(Span<byte> destination, ReadOnlySpan<byte> name)
    {
        if (_state == State.Start)
        {
            NarToken.Magic.CopyTo(destination);
            return NarToken.Magic.Length;
        }

        name.CopyTo(_lastNames[_depth] ??= new byte[NarRules.MaxNameLength]);
        _lastNameLengths[_depth] = name.Length;
        NarToken.EntryUpToName.CopyTo(destination);
        int used = NarToken.EntryUpToName.Length;
        used += NarToken.Write(destination[used..], name);
        NarToken.Node.CopyTo(destination[used..]);
        return used + NarToken.Node.Length;
    }

    // A node inside a directory closes twice: itself and the entry around it.
    private int CloseNode(Span<byte> destination)
    {
        byte[] words = _depth == 0 ? NarToken.Close : NarToken.CloseTwice;
        words.CopyTo(destination);
        _state = _depth == 0 ? State.Complete : State.InDirectory;
        return words.Length;
    }
}
