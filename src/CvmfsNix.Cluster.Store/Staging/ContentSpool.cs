using System.Buffers.Binary;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Store.Staging;

/// <summary>
/// The contents that an open transaction brought, in a scratch file, so that memory holds a few words of each and not its record: files are
/// several times as many as paths. The first content of a digest stays. Thread-safe.
/// </summary>
internal sealed class ContentSpool(string file) : IDisposable
{
    private const long None = -1;

    // Of a record: where the one before it with the same key lies, the length of the content, the digest; then the content.
    private const int HeaderSize = sizeof(long) + sizeof(int) + ContentDigest.Size;

    private readonly Lock _lock = new();
    private readonly ScratchFile _scratch = new(file);

    // By the first bytes of a digest, which a builder may choose: what shares them is chained in the file.
    private readonly Dictionary<ulong, long> _newest = [];

    /// <summary>Keeps a content unless one of its digest is kept.</summary>
    public void TryAdd(ContentDigest digest, StoredContent content)
    {
        lock (_lock)
        {
            if (TryLocate(digest, out _, out _))
                return;
            byte[] wire = RecordMapping.ToWire(new DeltaContent(digest, content)).ToByteArray();
            var record = new byte[HeaderSize + wire.Length];
            BinaryPrimitives.WriteInt64LittleEndian(record, _newest.GetValueOrDefault(KeyOf(digest), None));
            BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(sizeof(long)), wire.Length);
            digest.CopyTo(record.AsSpan(sizeof(long) + sizeof(int)));
            wire.CopyTo(record, HeaderSize);
            _newest[KeyOf(digest)] = _scratch.Append(record);
        }
    }

    /// <summary>The content of that digest, or null.</summary>
    public StoredContent? Find(ContentDigest digest)
    {
        byte[] wire;
        lock (_lock)
        {
            if (!TryLocate(digest, out long offset, out int length))
                return null;
            wire = new byte[length];
            _scratch.Read(offset, wire);
        }

        return RecordMapping.FromWire(Records.Wire.DeltaContent.Parser.ParseFrom(wire), _scratch.Name).Content;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _newest.Clear();
            _newest.TrimExcess();
            _scratch.Dispose();
        }
    }

    private bool TryLocate(ContentDigest digest, out long offset, out int length)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        for (long at = _newest.GetValueOrDefault(KeyOf(digest), None); at != None; at = BinaryPrimitives.ReadInt64LittleEndian(header))
        {
            _scratch.Read(at, header);
            length = BinaryPrimitives.ReadInt32LittleEndian(header[sizeof(long)..]);
            offset = at + HeaderSize;
            if (new ContentDigest(header[(sizeof(long) + sizeof(int))..]) == digest)
                return true;
        }

        (offset, length) = (0, 0);
        return false;
    }

    private static ulong KeyOf(ContentDigest digest)
    {
        Span<byte> bytes = stackalloc byte[ContentDigest.Size];
        digest.CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }
}
