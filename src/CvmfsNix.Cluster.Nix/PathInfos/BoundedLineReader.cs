using System.Buffers;

namespace CvmfsNix.Cluster.Nix.PathInfos;

/// <summary>Lines of printable ASCII, each closed by a newline, from a stream; a line that grows beyond the bound is an error, not memory.</summary>
internal sealed class BoundedLineReader(Stream source) : IDisposable
{
    /// <summary>Longest line in bytes; the longest path the kernel takes, with room.</summary>
    public const int MaxLineLength = 8192;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
    private int _start;
    private int _end;

    /// <summary>Number of the line returned last, the first being 1.</summary>
    public long Line { get; private set; }

    /// <summary>The next line without its newline, or null at the end.</summary>
    /// <exception cref="RegistrationFormatException">The line is too long, not closed, or holds other bytes than printable ASCII.</exception>
    public async ValueTask<string?> ReadAsync(CancellationToken cancellationToken)
    {
        int searched = 0;
        while (true)
        {
            int newline = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            int length = newline < 0 ? _end - _start : searched + newline;
            if (length > MaxLineLength)
                throw new RegistrationFormatException(Line + 1, $"the line is longer than {MaxLineLength} bytes");
            if (newline >= 0)
                return Take(length);

            searched = length;
            _buffer.AsSpan(_start, length).CopyTo(_buffer);
            _start = 0;
            _end = length;
            int read = await source.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
                return length == 0 ? null : throw new RegistrationFormatException(Line + 1, "the last line is not closed by a newline; the file was cut short");
            _end += read;
        }
    }

    public void Dispose()
    {
        if (_buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
    }

    private string Take(int length)
    {
        ReadOnlySpan<byte> line = _buffer.AsSpan(_start, length);
        Line++;
        if (line.IndexOfAnyExceptInRange((byte)0x20, (byte)0x7e) >= 0)
            throw new RegistrationFormatException(Line, "the line holds bytes that are not printable ASCII");
        _start += length + 1;
        return System.Text.Encoding.ASCII.GetString(line);
    }
}
