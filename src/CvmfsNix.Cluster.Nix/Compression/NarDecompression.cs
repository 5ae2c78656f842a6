using System.IO.Compression;
using CvmfsNix.Cluster.Nix.NarInfos;
using SharpCompress.Common;
using SharpCompress.Compressors.BZip2;
using SharpCompress.Compressors.Xz;
using SharpCompress.Compressors.ZStandard;

namespace CvmfsNix.Cluster.Nix.Compression;

/// <summary>Reads archives as caches store them: <c>none</c>, <c>xz</c>, <c>zstd</c>, <c>bzip2</c>, <c>gzip</c> and <c>br</c>.</summary>
public static class NarDecompression
{
    private const int Buffer = 64 * 1024;

    /// <summary>Whether <see cref="Open"/> can read a compression.</summary>
    /// <param name="compression">A name of <see cref="NarCompression"/>.</param>
    public static bool IsSupported(string compression) => compression is NarCompression.None or NarCompression.Zstd or "xz" or "bzip2" or "gzip" or "br";

    /// <summary>The archive inside <paramref name="file"/>, which stays open. Damage shows as an exception of <see cref="IsDamage"/> while it is read.</summary>
    /// <exception cref="NotSupportedException">The compression is none that can be read.</exception>
    public static Stream Open(Stream file, string compression)
    {
        ArgumentNullException.ThrowIfNull(file);
        return compression switch
        {
            NarCompression.None => new BufferedStream(new Unclosed(file), Buffer),
            NarCompression.Zstd => new DecompressionStream(file, bufferSize: 0, checkEndOfStream: true, leaveOpen: true),
            "xz" => new XZStream(new XzInput(file)),
            "bzip2" => BZip2Stream.Create(new BufferedStream(new Unclosed(file), Buffer), SharpCompress.Compressors.CompressionMode.Decompress, decompressConcatenated: true),
            "gzip" => new GZipStream(file, System.IO.Compression.CompressionMode.Decompress, leaveOpen: true),
            "br" => new BrotliStream(file, System.IO.Compression.CompressionMode.Decompress, leaveOpen: true),
            _ => throw new NotSupportedException($"Archives compressed with {compression} cannot be read."),
        };
    }

    /// <summary>Whether an exception of reading says that the compressed bytes are damaged, rather than that they could not be had.</summary>
    public static bool IsDamage(Exception e) =>
        e is SharpCompressException or ZstdException or EndOfStreamException or InvalidDataException or OverflowException or ArgumentException or IndexOutOfRangeException
            // Brotli's.
            or (InvalidOperationException and not ObjectDisposedException);

    /// <summary>Passes everything on but being closed.</summary>
    private sealed class Unclosed(Stream file) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer) => file.Read(buffer);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => file.ReadAsync(buffer, cancellationToken);

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
