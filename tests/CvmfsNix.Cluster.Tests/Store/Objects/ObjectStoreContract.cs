using System.Text;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Objects;

/// <summary>What every object store keeps.</summary>
public abstract class ObjectStoreContract
{
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected abstract IObjectStore Store { get; }

    protected static ObjectName NameOf(byte[] stored, ObjectKind kind = ObjectKind.Data) =>
        new(ObjectHasher.Hash(HashAlgorithmId.Sha1, stored), kind);

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected async Task<ObjectName> PutAsync(byte[] stored, ObjectKind kind = ObjectKind.Data)
    {
        await using ObjectBatch batch = Store.BeginBatch();
        ObjectName name = await batch.AddAsync(kind, stored, Token);
        await batch.CompleteAsync(Token);
        return name;
    }

    protected byte[]? Read(ObjectName name)
    {
        using Stream? stream = Store.OpenRead(name);
        if (stream is null)
            return null;
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    [Fact]
    public async Task What_was_completed_is_there_under_the_digest_of_its_bytes()
    {
        byte[] stored = Bytes("an object");
        ObjectName name = await PutAsync(stored, ObjectKind.Catalog);
        Assert.Equal(NameOf(stored, ObjectKind.Catalog), name);
        Assert.True(Store.Contains(name));
        Assert.Equal(stored, Read(name));
        Assert.Equal(stored.Length, Store.StoredSize(name));
    }

    [Fact]
    public async Task The_kind_is_part_of_the_name()
    {
        byte[] stored = Bytes("a chunk");
        await PutAsync(stored, ObjectKind.Chunk);
        Assert.False(Store.Contains(NameOf(stored)));
        Assert.Null(Read(NameOf(stored)));
        Assert.Null(Store.StoredSize(NameOf(stored)));
    }

    [Fact]
    public async Task Nothing_is_visible_before_the_batch_is_completed_and_nothing_of_one_that_is_not()
    {
        byte[] first = Bytes("first");
        byte[] second = Bytes("second");
        await using (ObjectBatch batch = Store.BeginBatch())
        {
            await batch.AddAsync(ObjectKind.Data, first, Token);
            await batch.AddAsync(ObjectKind.Data, new MemoryStream(second), Token);
            Assert.Equal(2, batch.ObjectsNew);
            Assert.False(Store.Contains(NameOf(first)));
            Assert.False(Store.Contains(NameOf(second)));
        }

        Assert.False(Store.Contains(NameOf(first)));
        Assert.False(Store.Contains(NameOf(second)));
    }

    [Fact]
    public async Task Bytes_in_memory_and_in_a_stream_are_the_same_object_and_counted_once()
    {
        byte[] stored = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31))];
        await using ObjectBatch batch = Store.BeginBatch();
        ObjectName streamed = await batch.AddAsync(ObjectKind.Data, new MemoryStream(stored), Token);
        ObjectName inMemory = await batch.AddAsync(ObjectKind.Data, stored, Token);
        await batch.CompleteAsync(Token);
        Assert.Equal(streamed, inMemory);
        Assert.Equal((1, stored.Length), (batch.ObjectsNew, (int)batch.BytesNew));
        Assert.Equal(stored, Read(streamed));
    }

    [Fact]
    public async Task What_the_store_has_is_not_new()
    {
        byte[] stored = Bytes("old");
        await PutAsync(stored);
        await using ObjectBatch batch = Store.BeginBatch();
        await batch.AddAsync(ObjectKind.Data, stored, Token);
        await batch.AddAsync(ObjectKind.Data, new MemoryStream(stored), Token);
        await batch.CompleteAsync(Token);
        Assert.Equal((0, 0L), (batch.ObjectsNew, batch.BytesNew));
        Assert.Equal(stored, Read(NameOf(stored)));
    }

    [Fact]
    public async Task Missing_objects_are_told_in_the_order_asked()
    {
        ObjectName there = await PutAsync(Bytes("there"));
        ObjectName[] missing = [NameOf(Bytes("x")), NameOf(Bytes("y")), NameOf(Bytes("z"))];
        ObjectName[] asked = [missing[2], there, missing[0], missing[1]];
        ObjectName[] expected = [missing[2], missing[0], missing[1]];
        Assert.Equal(expected, Store.FindMissing(asked));
        Assert.Equal(expected, await Store.ConfirmDurableAsync(asked, Token));
    }

    [Fact]
    public async Task A_deleted_object_is_gone()
    {
        ObjectName name = await PutAsync(Bytes("short-lived"));
        Assert.True(Store.Delete(name));
        Assert.False(Store.Contains(name));
        Assert.False(Store.Delete(name));
    }

    [Fact]
    public async Task Many_threads_may_add_to_one_batch_and_many_batches_may_have_the_same_objects()
    {
        byte[][] all = [.. Enumerable.Range(0, 200).Select(i => Bytes($"object {i % 50}"))];
        await Parallel.ForAsync(0, 8, Token, async (_, token) =>
        {
            await using ObjectBatch batch = Store.BeginBatch();
            await Parallel.ForEachAsync(all, token, async (stored, inner) => await batch.AddAsync(ObjectKind.Data, stored, inner));
            await batch.CompleteAsync(token);
        });
        Assert.All(all, stored => Assert.Equal(stored, Read(NameOf(stored))));
    }
}
