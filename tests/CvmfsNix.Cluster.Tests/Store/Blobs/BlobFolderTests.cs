using System.Security.Cryptography;
using CvmfsNix.Cluster.Store.Blobs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Blobs;

public sealed class BlobFolderTests : IDisposable
{
    private readonly StoreFolder _folder = new();
    private readonly BlobFolder _blobs;

    public BlobFolderTests() => _blobs = new BlobFolder(_folder.At("blobs"));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string[] Temporaries => Directory.GetFiles(_folder.At("blobs/tmp"));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_blob_is_named_by_the_digest_of_what_was_written()
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(200_000);
        string digest = await PutAsync(bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), digest);
        await using Stream stream = _blobs.OpenRead(digest)!;
        using var read = new MemoryStream();
        await stream.CopyToAsync(read, Token);
        Assert.Equal(bytes, read.ToArray());
        Assert.Equal(bytes.Length, _blobs.Size(digest));
        Assert.Equal([digest], _blobs.List());
        Assert.Equal(digest, await PutAsync(bytes));
        Assert.Empty(Temporaries);
    }

    [Fact]
    public async Task A_writer_that_fails_leaves_nothing()
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => _blobs.PutAsync(
            async stream =>
            {
                await stream.WriteAsync(new byte[100_000], Token);
                throw new InvalidDataException();
            },
            Token));
        Assert.Empty(Temporaries);
        Assert.Empty(_blobs.List());
    }

    [Fact]
    public async Task A_deleted_blob_is_gone()
    {
        string digest = await PutAsync([1]);
        Assert.True(_blobs.Delete(digest));
        Assert.False(_blobs.Contains(digest));
        Assert.Null(_blobs.OpenRead(digest));
        Assert.Null(_blobs.Size(digest));
        Assert.False(_blobs.Delete(digest));
    }

    [Theory]
    [InlineData("")]
    [InlineData("../../../../etc/passwd")]
    [InlineData("ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789")]
    [InlineData("/bcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678a")]
    public void What_is_no_digest_is_no_file(string name) => Assert.Throws<ArgumentException>(() => _blobs.OpenRead(name));

    private Task<string> PutAsync(byte[] bytes) => _blobs.PutAsync(stream => stream.WriteAsync(bytes, Token).AsTask(), Token);
}
