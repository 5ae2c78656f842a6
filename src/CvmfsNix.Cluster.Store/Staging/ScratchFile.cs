using Microsoft.Win32.SafeHandles;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>A file that is written at its end, read anywhere, and gone when it is closed. Not made before the first write. The caller sees to it that calls do not meet.</summary>
internal sealed class ScratchFile(string file) : IDisposable
{
    private SafeFileHandle? _handle;
    private bool _disposed;

    /// <summary>Bytes written so far: where the next ones go.</summary>
    public long Length { get; private set; }

    /// <summary>What errors call it.</summary>
    public string Name => file;

    /// <summary>Adds bytes; returns where they begin.</summary>
    public long Append(ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _handle ??= File.OpenHandle(file, FileMode.Create, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        RandomAccess.Write(_handle, bytes, Length);
        long offset = Length;
        Length += bytes.Length;
        return offset;
    }

    /// <summary>Fills <paramref name="bytes"/> from what was written at <paramref name="offset"/>.</summary>
    public void Read(long offset, Span<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!bytes.IsEmpty)
        {
            int step = _handle is null ? 0 : RandomAccess.Read(_handle, bytes, offset);
            if (step == 0)
                throw new IOException($"{file} is shorter than what was written to it.");
            bytes = bytes[step..];
            offset += step;
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _handle?.Dispose();
    }
}
