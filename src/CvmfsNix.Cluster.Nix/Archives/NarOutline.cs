namespace CvmfsNix.Cluster.Nix.Archives;

/// <summary>Where the content of one file lies in an archive.</summary>
/// <param name="FrameOffset">How many of the outline's frame bytes come before it.</param>
/// <param name="Offset">Of its first byte in the archive.</param>
/// <param name="Size">Bytes.</param>
public readonly record struct NarGap(int FrameOffset, long Offset, long Size);

/// <summary>
/// An archive without the contents of its files: the bytes around them, and the gaps where they belong. Any byte of the archive can be found
/// from it without walking the tree again.
/// </summary>
public sealed class NarOutline
{
    internal NarOutline(ReadOnlyMemory<byte> frames, IReadOnlyList<NarGap> gaps, long size)
    {
        Frames = frames;
        Gaps = gaps;
        Size = size;
    }

    /// <summary>All bytes of the archive that are no file content, in order.</summary>
    public ReadOnlyMemory<byte> Frames { get; }

    /// <summary>One of each file, in order, also of empty files.</summary>
    public IReadOnlyList<NarGap> Gaps { get; }

    /// <summary>Bytes of the archive.</summary>
    public long Size { get; }

    /// <summary>The gap at which reading from <paramref name="offset"/> begins: the first that ends behind it. The number of gaps when there is none.</summary>
    public int GapAt(long offset)
    {
        (int low, int high) = (0, Gaps.Count);
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (Gaps[middle].Offset + Gaps[middle].Size > offset)
                high = middle;
            else
                low = middle + 1;
        }

        return low;
    }
}

/// <summary>
/// Makes a <see cref="NarOutline"/> of a tree that is described call by call, with the grammar and checks of <see cref="NarWriter"/>. Not
/// thread-safe. Takes memory for the frames: about 120 bytes and the name for each entry.
/// </summary>
public sealed class NarOutlineBuilder
{
    private readonly NarFraming _framing = new();
    private readonly List<NarGap> _gaps = [];
    private byte[] _frames = new byte[2 * NarFraming.MaxFrameSize];
    private int _used;
    private long _content;

    public void BeginDirectory(ReadOnlySpan<byte> name) => _used += _framing.BeginDirectory(Free(), name);

    public void EndDirectory() => _used += _framing.EndDirectory(Free());

    public void Symlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) => _used += _framing.Symlink(Free(), name, target);

    /// <summary>A file with its content left out.</summary>
    public void File(ReadOnlySpan<byte> name, bool executable, long size)
    {
        _used += _framing.BeginFile(Free(), name, executable, size);
        _gaps.Add(new NarGap(_used, _used + _content, size));
        _framing.FileBytes(size);
        _content += size;
        _used += _framing.EndFile(Free());
    }

    /// <summary>Checks that the tree is complete.</summary>
    public NarOutline Finish()
    {
        _framing.Finish();
        return new NarOutline(_frames.AsMemory(0, _used), _gaps, _used + _content);
    }

    private Span<byte> Free()
    {
        if (_frames.Length - _used < NarFraming.MaxFrameSize)
            Array.Resize(ref _frames, checked(_frames.Length * 2));
        return _frames.AsSpan(_used);
    }
}
