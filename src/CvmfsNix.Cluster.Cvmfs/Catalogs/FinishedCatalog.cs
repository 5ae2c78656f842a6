using CvmfsNix.Cluster.Cvmfs.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Cvmfs.Catalogs;

/// <summary>The finished file of a catalog that is edited in place, as clients get it: with a header that tells nothing of its history. Thread-safe.</summary>
public sealed class FinishedCatalog : IDisposable
{
    private const int HeaderBytes = 100;

    private readonly SafeFileHandle _file;
    private readonly byte[] _header = new byte[HeaderBytes];

    internal FinishedCatalog(string file)
    {
        _file = File.OpenHandle(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Length = RandomAccess.GetLength(_file);
        ReadFile(0, _header);
        SqliteDatabase.NormaliseHeader(_header, Length);
    }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Fills a buffer with the bytes from an offset on.</summary>
    /// <exception cref="EndOfStreamException">They are not all within the file.</exception>
    public void Read(long offset, Span<byte> buffer)
    {
        ReadFile(offset, buffer);
        if (offset < HeaderBytes)
        {
            var header = _header.AsSpan((int)offset);
            header[..Math.Min(header.Length, buffer.Length)].CopyTo(buffer);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void ReadFile(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int read = RandomAccess.Read(_file, buffer, offset);
            if (read == 0) throw new EndOfStreamException($"The catalog ends at byte {offset}.");
            buffer = buffer[read..];
            offset += read;
        }
    }
}
