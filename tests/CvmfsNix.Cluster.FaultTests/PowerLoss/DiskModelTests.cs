using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>The model itself: what it drops when nothing but the bound state is kept.</summary>
public sealed class DiskModelTests
{
    private const string Root = "/disk";
    private const int CreateForWriting = 0x41;

    private readonly List<byte> _log = [];
    private int _operations;

    [Fact]
    public void A_file_that_was_never_synced_is_not_there()
    {
        Write("/disk/a", "text");
        Assert.Empty(Bound());
    }

    [Fact]
    public void A_synced_file_without_its_folder_is_not_there()
    {
        Write("/disk/a", "text", sync: true);
        Assert.Empty(Bound());
    }

    [Fact]
    public void A_synced_name_without_the_contents_is_an_empty_file()
    {
        Write("/disk/a", "text");
        SyncFolder("/disk");
        Assert.Equal([("a", "")], Bound());
    }

    [Fact]
    public void Contents_and_folder_synced_is_there()
    {
        Write("/disk/a", "text", sync: true);
        SyncFolder("/disk");
        Assert.Equal([("a", "text")], Bound());
    }

    [Fact]
    public void A_rename_without_a_synced_folder_leaves_the_old_name()
    {
        Write("/disk/a", "text", sync: true);
        SyncFolder("/disk");
        Put(OperationKind.Rename, path: "/disk/a", second: "/disk/b");
        Assert.Equal([("a", "text")], Bound());
        SyncFolder("/disk");
        Assert.Equal([("b", "text")], Bound());
    }

    [Fact]
    public void A_file_replaced_by_rename_is_the_old_or_the_new_one()
    {
        Write("/disk/a", "old", sync: true);
        SyncFolder("/disk");
        Write("/disk/temporary", "new", sync: true);
        Put(OperationKind.Rename, path: "/disk/temporary", second: "/disk/a");
        Assert.Equal([("a", "old")], Bound());
        SyncFolder("/disk");
        Assert.Equal([("a", "new")], Bound());
    }

    [Fact]
    public void A_folder_is_there_when_its_parent_was_synced()
    {
        Put(OperationKind.MakeDirectory, path: "/disk/d");
        Write("/disk/d/a", "text", sync: true);
        SyncFolder("/disk/d");
        Assert.Empty(Bound());
        SyncFolder("/disk");
        Assert.Equal([("d/a", "text")], Bound());
    }

    [Fact]
    public void A_later_write_is_pending_again()
    {
        Write("/disk/a", "text", sync: true);
        SyncFolder("/disk");
        Write("/disk/a", "TE");
        Assert.Equal([("a", "text")], Bound());
        Assert.Equal([("a", "TExt")], Image((_, _) => true));
    }

    [Fact]
    public void A_sync_that_is_left_out_keeps_nothing()
    {
        Write("/disk/a", "text", sync: true);
        SyncFolder("/disk");
        int sync = new OperationLog([.. _log]).Operations.Index().First(o => o.Item.Kind == OperationKind.Sync).Index;
        Assert.Equal([("a", "")], Image((_, _) => false, n => n == sync));
    }

    [Fact]
    public void The_bound_digest_follows_what_is_synced_and_nothing_else()
    {
        string none = BoundDigest();
        Write("/disk/a", "text", sync: true);
        Assert.Equal(none, BoundDigest());
        SyncFolder("/disk");
        string text = BoundDigest();
        Assert.NotEqual(none, text);
        Write("/disk/a", "next");
        Assert.Equal(text, BoundDigest());
        Write("/disk/a", "last", sync: true);
        Assert.NotEqual(text, BoundDigest());
    }

    [Fact]
    public void A_record_that_was_cut_off_does_not_count()
    {
        Write("/disk/a", "text", sync: true);
        Assert.Equal(_operations - 1, new OperationLog([.. _log.SkipLast(1)]).Operations.Count);
    }

    private void Write(string path, string text, bool sync = false)
    {
        Put(OperationKind.Open, descriptor: 3, a: CreateForWriting, path: path);
        Put(OperationKind.Write, descriptor: 3, data: text);
        if (sync)
            Put(OperationKind.Sync, descriptor: 3);
        Put(OperationKind.Close, descriptor: 3);
    }

    private void SyncFolder(string path)
    {
        Put(OperationKind.Open, descriptor: 4, path: path);
        Put(OperationKind.Sync, descriptor: 4);
        Put(OperationKind.Close, descriptor: 4);
    }

    private void Put(OperationKind kind, int descriptor = -1, long a = 0, string path = "", string second = "", string data = "")
    {
        byte[] head = new byte[41];
        int size = head.Length + path.Length + second.Length + data.Length;
        BinaryPrimitives.WriteInt32LittleEndian(head, size - 4);
        head[4] = (byte)kind;
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(9), descriptor);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(13), a);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(29), path.Length);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(33), second.Length);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(37), data.Length);
        _log.AddRange(head);
        _log.AddRange(Encoding.UTF8.GetBytes(path + second + data));
        _operations++;
    }

    private string BoundDigest()
    {
        var log = new OperationLog([.. _log]);
        return new DiskModel(Root).ReplayTo(log, log.Operations.Count).BoundDigest();
    }

    private (string Name, string Text)[] Bound() => Image((_, _) => false);

    private (string Name, string Text)[] Image(Func<int, int, bool> keeps, Func<int, bool>? leftOut = null)
    {
        var log = new OperationLog([.. _log]);
        Assert.Equal(_operations, log.Operations.Count);
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-model-").FullName;
        try
        {
            new DiskModel(Root, leftOut).ReplayTo(log, log.Operations.Count).WriteImage(folder, keeps);
            return [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Select(f => (Path.GetRelativePath(folder, f), File.ReadAllText(f))).Order()];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
