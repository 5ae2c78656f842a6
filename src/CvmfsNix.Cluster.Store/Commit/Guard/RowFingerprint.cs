using System.Buffers.Binary;
using System.Security.Cryptography;

namespace CvmfsNix.Cluster.Store.Commit.Guard;

/// <summary>
/// A sum over rows that does not depend on their order: two sets of rows have the same one only when they are the same, as far as a digest
/// tells. Lets what was promised be compared with what was written without holding either.
/// </summary>
internal sealed class RowFingerprint
{
    private readonly byte[] _fixed = new byte[1 + (6 * sizeof(long))];
    private UInt128 _sum;

    /// <summary>Rows added.</summary>
    public long Count { get; private set; }

    /// <summary>A row of the table catalog.</summary>
    public void AddEntry(long key1, long key2, long mode, long size, long flags, ReadOnlySpan<byte> hash, ReadOnlySpan<byte> symlink) =>
        Add(1, [key1, key2, mode, size, flags, hash.Length], hash, symlink);

    /// <summary>A row of the table chunks.</summary>
    public void AddChunk(long key1, long key2, long offset, long size, ReadOnlySpan<byte> hash) => Add(2, [key1, key2, offset, size], hash, []);

    /// <summary>A row of the table nested_catalogs.</summary>
    public void AddNested(ReadOnlySpan<byte> path, ReadOnlySpan<byte> hashText, long size) => Add(3, [size, path.Length], path, hashText);

    /// <summary>True when both were given the same rows.</summary>
    public bool Equals(RowFingerprint other) => Count == other.Count && _sum == other._sum;

    private void Add(byte table, ReadOnlySpan<long> numbers, ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        _fixed[0] = table;
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(_fixed.AsSpan(1 + (i * sizeof(long))), numbers[i]);
        hash.AppendData(_fixed, 0, 1 + (numbers.Length * sizeof(long)));
        hash.AppendData(one);
        hash.AppendData(other);
        Span<byte> digest = stackalloc byte[MD5.HashSizeInBytes];
        hash.GetHashAndReset(digest);
        unchecked
        {
            _sum += BinaryPrimitives.ReadUInt128LittleEndian(digest);
        }

        Count++;
    }
}
