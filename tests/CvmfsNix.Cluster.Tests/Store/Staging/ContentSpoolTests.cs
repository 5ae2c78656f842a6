using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Staging;
using CvmfsNix.Cluster.Store.Trees;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Staging;

public sealed class ContentSpoolTests : IDisposable
{
    private readonly StoreFolder _folder = new();
    private readonly ContentSpool _spool;

    public ContentSpoolTests() => _spool = new ContentSpool(_folder.At("contents"));

    public void Dispose()
    {
        _spool.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Contents_are_found_by_all_of_their_digest_also_when_its_beginning_is_shared()
    {
        for (byte i = 0; i < 50; i++)
        {
            Assert.Null(_spool.Find(Digest(7, i)));
            _spool.TryAdd(Digest(7, i), Whole(i));
            _spool.TryAdd(Digest(i, 0), Whole(100 + i));
        }

        for (byte i = 0; i < 50; i++)
        {
            Assert.Equal(i == 0 ? 0 : i, _spool.Find(Digest(7, i))!.Size);
            Assert.Equal(i == 7 ? 0 : 100 + i, _spool.Find(Digest(i, 0))!.Size);
        }

        Assert.Null(_spool.Find(Digest(7, 50)));
    }

    [Fact]
    public void The_first_content_of_a_digest_stays()
    {
        _spool.TryAdd(Digest(1, 1), Whole(1));
        _spool.TryAdd(Digest(1, 1), Whole(2));
        Assert.Equal(1, _spool.Find(Digest(1, 1))!.Size);
    }

    [Fact]
    public void Whole_and_chunked_contents_come_back_as_they_were()
    {
        var chunked = new StoredContent(
            30, CompressionAlgorithm.None, null, [new StoredChunk(0, 10, Hash(1)), new StoredChunk(10, 20, Hash(2))]);
        _spool.TryAdd(Digest(1, 1), chunked);
        _spool.TryAdd(Digest(2, 2), Whole(5));
        StoredContent found = _spool.Find(Digest(1, 1))!;
        Assert.Equal((chunked.Size, chunked.Compression, chunked.Hash), (found.Size, found.Compression, found.Hash));
        Assert.Equal(chunked.Chunks, found.Chunks);
        found = _spool.Find(Digest(2, 2))!;
        Assert.Equal((5, CompressionAlgorithm.Zlib, Hash(5)), (found.Size, found.Compression, found.Hash!.Value));
        Assert.Empty(found.Chunks);
    }

    [Fact]
    public void Nothing_is_left_of_it_on_disk()
    {
        _spool.TryAdd(Digest(1, 1), Whole(1));
        _spool.Dispose();
        Assert.Empty(Directory.EnumerateFiles(_folder.Path));
        Assert.Throws<ObjectDisposedException>(() => _spool.TryAdd(Digest(1, 1), Whole(1)));
    }

    private static StoredContent Whole(int size) => new(size, CompressionAlgorithm.Zlib, Hash((byte)size), []);

    private static ObjectHash Hash(byte value)
    {
        var digest = new byte[ObjectHash.Size];
        digest[0] = value;
        return new ObjectHash(HashAlgorithmId.Sha1, digest);
    }

    private static ContentDigest Digest(byte first, byte last)
    {
        var digest = new byte[ContentDigest.Size];
        (digest[0], digest[^1]) = (first, last);
        return new ContentDigest(digest);
    }
}
