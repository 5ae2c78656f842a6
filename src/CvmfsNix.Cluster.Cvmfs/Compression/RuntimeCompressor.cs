using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Compression;

/// <summary>What comes with .NET, which has streams only.</summary>
internal sealed class RuntimeCompressor : BlockCompressor
{
    private const int PieceBytes = 64 * 1024;

    public override string Name => "zlib of the runtime";

    public override unsafe bool TryInflate(ReadOnlySpan<byte> stored, Span<byte> plain)
    {
        // There is no stream over no bytes at all.
        if (stored.IsEmpty)
            return false;
        fixed (byte* start = stored)
        {
            using var source = new UnmanagedMemoryStream(start, stored.Length);
            using var inflater = new DecompressorStream(source, leaveOpen: true);
            try
            {
                // One byte more is asked for: where there is none, the stream has come to its proper end.
                return inflater.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false) == plain.Length && inflater.ReadByte() < 0;
            }
            catch (ObjectCorruptException)
            {
                return false;
            }
        }
    }

    private protected override unsafe int CompressSome(ReadOnlySpan<byte> plain, Span<byte> stored, CompressionLevel level)
    {
        fixed (byte* start = stored)
        {
            using var bounded = new BoundedStream(start, stored.Length);
            using (var zlib = new ZLibStream(bounded, level, leaveOpen: true))
            {
                for (int at = 0; at < plain.Length && !bounded.Overflowed; at += PieceBytes)
                    zlib.Write(plain.Slice(at, Math.Min(PieceBytes, plain.Length - at)));
            }

            return bounded.Overflowed ? 0 : (int)bounded.Length;
        }
    }

    /// <summary>Takes what fits and remembers that there was more.</summary>
    private sealed unsafe class BoundedStream(byte* into, int limit) : Stream
    {
        private int _length;

        public bool Overflowed { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _length;

        public override long Position { get => _length; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Overflowed |= buffer.Length > limit - _length;
            if (Overflowed)
                return;
            buffer.CopyTo(new Span<byte>(into + _length, limit - _length));
            _length += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
