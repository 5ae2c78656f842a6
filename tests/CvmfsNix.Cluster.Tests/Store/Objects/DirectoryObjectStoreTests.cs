using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Objects;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Objects;

public sealed class DirectoryObjectStoreTests : ObjectStoreContract, IDisposable
{
    private readonly StoreFolder _folder = new();
    private readonly DirectoryObjectStore _store;

    public DirectoryObjectStoreTests() => _store = new DirectoryObjectStore(_folder.At("cvmfs/test.example.org"), HashAlgorithmId.Sha1);

    protected override IObjectStore Store => _store;

    private string[] Temporaries => Directory.GetFileSystemEntries(_store.TemporaryFolder);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Objects_lie_where_stock_servers_look_for_them()
    {
        ObjectName name = await PutAsync(Bytes("catalog"), ObjectKind.Catalog);
        string file = _folder.At($"cvmfs/test.example.org/data/{name.Hash.ToString()[..2]}/{name.Hash.ToString()[2..]}C");
        Assert.Equal(Bytes("catalog"), await File.ReadAllBytesAsync(file, Token));
    }

    [Fact]
    public void All_256_directories_and_txn_are_made_at_once()
    {
        string[] names = [.. Directory.GetDirectories(_folder.At("cvmfs/test.example.org/data")).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal)];
        Assert.Equal([.. Enumerable.Range(0, 256).Select(i => i.ToString("x2")), "txn"], names);
    }

    [Fact]
    public async Task Temporary_files_go_with_their_batch()
    {
        await using (ObjectBatch batch = Store.BeginBatch())
        {
            await batch.AddAsync(ObjectKind.Data, Bytes("dropped"), Token);
            await Assert.ThrowsAsync<InvalidDataException>(async () =>
                await batch.AddAsync(ObjectKind.Data, (_, _) => throw new InvalidDataException(), Token));
            Assert.Single(Temporaries);
        }

        Assert.Empty(Temporaries);
        await PutAsync(Bytes("kept"));
        Assert.Empty(Temporaries);
    }

    [Fact]
    public void What_a_killed_process_left_is_removed_when_the_store_is_opened()
    {
        File.WriteAllText(Path.Combine(_store.TemporaryFolder, "torn"), "half");
        _ = new DirectoryObjectStore(_store.RepositoryFolder, HashAlgorithmId.Sha1);
        Assert.Empty(Temporaries);
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_named_and_the_batch_leaves_nothing()
    {
        await using ObjectBatch batch = Store.BeginBatch();
        await batch.AddAsync(ObjectKind.Data, Bytes("one"), Token);
        Directory.Delete(_store.TemporaryFolder, recursive: true);
        var error = await Assert.ThrowsAsync<ObjectStoreException>(async () => await batch.AddAsync(ObjectKind.Data, Bytes("two"), Token));
        Assert.Contains(_store.TemporaryFolder, error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectStoreException>(async () => await batch.AddAsync(ObjectKind.Data, new MemoryStream([1]), Token));
    }

    [Fact]
    public async Task When_one_file_of_a_batch_fails_none_becomes_visible()
    {
        await using ObjectBatch batch = Store.BeginBatch();
        ObjectName first = await batch.AddAsync(ObjectKind.Data, Bytes("one"), Token);
        ObjectName second = await batch.AddAsync(ObjectKind.Data, Bytes("two"), Token);
        string broken = Temporaries[0];
        File.Delete(broken);
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => batch.CompleteAsync(Token));
        Assert.Contains(broken, error.Message, StringComparison.Ordinal);
        Assert.False(Store.Contains(first));
        Assert.False(Store.Contains(second));
        Assert.Empty(Temporaries);
    }

    [Fact]
    public async Task An_object_that_was_deleted_while_it_was_being_added_is_not_called_durable()
    {
        ObjectName name = await PutAsync(Bytes("collected"));
        await using ObjectBatch batch = Store.BeginBatch();
        await batch.AddAsync(ObjectKind.Data, Bytes("collected"), Token);
        Store.Delete(name);
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => batch.CompleteAsync(Token));
        Assert.Contains(name.ToString(), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shake_objects_carry_their_algorithm_in_the_file_name()
    {
        var store = new DirectoryObjectStore(_folder.At("shake"), HashAlgorithmId.Shake128);
        await using ObjectBatch batch = store.BeginBatch();
        ObjectName name = await batch.AddAsync(ObjectKind.Data, Bytes("x"), Token);
        await batch.CompleteAsync(Token);
        Assert.EndsWith("-shake128", store.PathOf(name), StringComparison.Ordinal);
        Assert.True(File.Exists(store.PathOf(name)));
    }
}
