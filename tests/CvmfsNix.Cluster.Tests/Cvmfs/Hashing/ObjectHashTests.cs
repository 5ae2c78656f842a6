using System.Text;
using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Hashing;

public class ObjectHashTests
{
    internal static readonly Gen<ObjectHash> Hashes =
        from algorithm in Pick.From(HashAlgorithmId.Sha1, HashAlgorithmId.Rmd160, HashAlgorithmId.Shake128)
        from digest in Gen.Byte.Array[20]
        select new ObjectHash(algorithm, digest);

    [Theory]
    [InlineData(HashAlgorithmId.Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d")]
    [InlineData(HashAlgorithmId.Rmd160, "abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc-rmd160")]
    [InlineData(HashAlgorithmId.Shake128, "", "7f9c2ba4e88f827d616045507605853ed73b8093-shake128")]
    [InlineData(HashAlgorithmId.Shake128, "abc", "5881092dd818bf5cf8a3ddb793fbcba74097d5c5-shake128")]
    public void Digests_are_the_published_ones(HashAlgorithmId algorithm, string text, string expected)
    {
        var hash = ObjectHasher.Hash(algorithm, Encoding.ASCII.GetBytes(text));
        Assert.Equal(expected, hash.ToString());
        Assert.Equal(hash, ObjectHash.Parse(expected));
    }

    [Fact]
    public void The_empty_object_has_its_known_names()
    {
        byte[] empty = [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1];
        Assert.Equal("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78", ObjectHasher.Hash(HashAlgorithmId.Sha1, empty).ToString());
    }

    [Fact]
    public void Text_form_is_read_back() => Hashes.Sample(hash => ObjectHash.Parse(hash.ToString()) == hash && new ObjectHash(hash.Algorithm, hash.ToArray()) == hash);

    [Fact]
    public void Order_is_that_of_the_bytes() =>
        Gen.Select(Gen.Byte.Array[20], Gen.Byte.Array[20]).Sample((a, b) =>
            Math.Sign(a.AsSpan().SequenceCompareTo(b)) == Math.Sign(new ObjectHash(HashAlgorithmId.Sha1, a).CompareTo(new ObjectHash(HashAlgorithmId.Sha1, b))));

    [Fact]
    public void Pieces_hash_like_the_whole() =>
        Gen.Select(Pick.From(HashAlgorithmId.Sha1, HashAlgorithmId.Rmd160, HashAlgorithmId.Shake128), Gen.Byte.Array[0, 50].Array[0, 8]).Sample((algorithm, pieces) =>
        {
            using var hasher = new ObjectHasher(algorithm);
            for (var round = 0; round < 2; round++)
            {
                foreach (var piece in pieces) hasher.Append(piece);
                if (hasher.Finish() != ObjectHasher.Hash(algorithm, pieces.SelectMany(p => p).ToArray())) return false;
            }

            return true;
        });

    [Theory]
    [InlineData("")]
    [InlineData("E8EC3D88B62EBF526E4E5A4FF6162A3AA48A6B78")]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b7")]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78C")]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78-shake129")]
    [InlineData("e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b7g")]
    public void Other_text_is_refused(string text)
    {
        Assert.False(ObjectHash.TryParse(text, out _));
        Assert.Throws<FormatException>(() => ObjectHash.Parse(text));
    }

    [Fact]
    public void All_zero_is_no_hash()
    {
        Assert.True(default(ObjectHash).IsNull);
        Assert.True(new ObjectHash(HashAlgorithmId.Shake128, new byte[20]).IsNull);
        Assert.False(ObjectHash.Parse("0000000000000000000000000000000000000001").IsNull);
    }
}
