using CvmfsNix.Cluster.Cli.CommandLine;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Spooling;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Spooling;

public sealed class AgentTests
{
    private const string One = "/nix/store/00000000000000000000000000000001-one";
    private const string Two = "/nix/store/00000000000000000000000000000002-two";

    [Fact]
    public async Task What_waits_is_one_publish_and_entries_and_roots_are_gone_after_it()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One, Two);
        folder.Arrive("1-2", Two);

        Assert.Equal(1, await folder.DrainAsync());

        SpoolBatch asked = Assert.Single(folder.Asked);
        Assert.Equal([One, Two], asked.Paths);
        Assert.True(Arguments.IsTransaction(asked.Transaction));
        Assert.Empty(folder.Entries);
        Assert.Null(folder.Spool.Batch);
        Assert.All((string[])["1-1-1", "1-1-2", "1-2-1"], root => Assert.Null(new FileInfo(folder.Root(root)).LinkTarget));
        Assert.Equal(asked.Transaction, Assert.Single(folder.Reported).Transaction);
    }

    [Fact]
    public async Task The_request_is_on_disk_before_it_is_made_and_is_the_same_after_a_kill()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One);
        SpoolBatch? onDisk = null;
        folder.Refuse = _ =>
        {
            onDisk = folder.Spool.Batch;
            throw new OperationCanceledException();
        };
        await Assert.ThrowsAsync<OperationCanceledException>(folder.DrainAsync);
        Assert.Equal(folder.Asked[0].Transaction, onDisk!.Transaction);

        // What comes after the kill does not change what was asked for before it.
        folder.Arrive("1-2", Two);
        folder.Refuse = static _ => null;
        Assert.Equal(2, await folder.DrainAsync());
        Assert.Equal(folder.Asked[0].Transaction, folder.Asked[1].Transaction);
        Assert.Equal([One], folder.Asked[1].Paths);
        Assert.Equal([Two], folder.Asked[2].Paths);
        Assert.NotEqual(folder.Asked[1].Transaction, folder.Asked[2].Transaction);
    }

    [Fact]
    public async Task A_kill_between_the_answer_and_the_cleaning_asks_nothing_again()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One);
        var batch = new SpoolBatch(Guid.CreateVersion7().ToString("D"), "a.example.org", ["1-1"], [One]);
        await folder.Spool.StartAsync(batch, TestContext.Current.CancellationToken);
        File.Move(folder.Spool.Folder + "/batch.json", folder.Spool.Folder + "/done.json");

        Assert.Equal(0, await folder.DrainAsync());

        Assert.Empty(folder.Asked);
        Assert.Empty(folder.Entries);
        Assert.Null(new FileInfo(folder.Root("1-1-1")).LinkTarget);
        Assert.Null(folder.Spool.Done);
    }

    [Fact]
    public async Task A_refused_entry_is_set_aside_with_the_reason_and_the_others_of_its_batch_go_on()
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One);
        folder.Arrive("1-2", Two);
        folder.Arrive("1-3", Two + "x");
        folder.Refuse = static batch => batch.Paths.Contains(Two) ? new CliException("StorePathConflict", "It is there with another content.", Two, "") : null;

        Assert.Equal(2, await folder.DrainAsync());

        Assert.Equal(["1-2"], folder.Spool.Bad());
        Assert.Equal("StorePathConflict", folder.Spool.Reason("1-2")!.Code);
        Assert.Equal([3, 1, 1, 1], folder.Asked.Select(static batch => batch.Entries.Count));
        Assert.Equal(4, folder.Asked.Select(static batch => batch.Transaction).Distinct().Count());
        Assert.Equal(Two, new FileInfo(folder.Root("1-2-1")).LinkTarget);
        Assert.Empty(folder.Entries);

        // Tried again when told to.
        folder.Refuse = static _ => null;
        Assert.Equal(1, folder.Spool.Retry());
        Assert.Equal(1, await folder.DrainAsync());
        Assert.Empty(folder.Spool.Bad());
    }

    [Theory]
    [InlineData("Unreachable", ExitCode.Unknown, true)]
    [InlineData("Unauthorized", ExitCode.Refused, false)]
    [InlineData("UnknownRepository", ExitCode.No, false)]
    public async Task What_is_not_the_entries_fault_is_tried_again_under_the_same_id(string code, int exit, bool transient)
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One);
        folder.Arrive("1-2", Two);
        folder.Refuse = _ => folder.Asked.Count < 4 ? new CliException(code, "not now", "", "", exit) { Transient = transient } : null;

        Assert.Equal(1, await folder.DrainAsync());

        Assert.Equal(4, folder.Asked.Count);
        Assert.Single(folder.Asked.Select(static batch => batch.Transaction).Distinct());
        Assert.Null(folder.Spool.State!.LastFailure);
        Assert.Equal(3, folder.Warnings.Count);
    }

    [Theory]
    [InlineData("TransactionTooOld")]
    [InlineData("TransactionIdReused")]
    [InlineData("TransactionExpired")]
    public async Task An_id_that_is_of_no_use_is_replaced(string code)
    {
        using var folder = new SpoolFolder();
        folder.Arrive("1-1", One);
        folder.Refuse = _ => folder.Asked.Count == 1 ? new CliException(code, "", "", "") : null;

        Assert.Equal(1, await folder.DrainAsync());

        Assert.Equal(2, folder.Asked.Count);
        Assert.NotEqual(folder.Asked[0].Transaction, folder.Asked[1].Transaction);
        Assert.Equal(folder.Asked[0].Paths, folder.Asked[1].Paths);
    }

    [Fact]
    public async Task A_path_that_is_on_disk_but_unknown_to_nix_gets_several_chances_and_one_that_is_gone_gets_none()
    {
        using var folder = new SpoolFolder();
        folder.Refuse = static _ => new CliException("UnknownPath", "not valid", "", "");
        folder.Arrive("1-1", One);
        await folder.DrainAsync();
        Assert.Single(folder.Asked);

        folder.Asked.Clear();
        folder.Arrive("1-2", Path.GetTempPath());
        await folder.DrainAsync();
        Assert.Equal(5, folder.Asked.Count);
        Assert.Equal(["1-1", "1-2"], folder.Spool.Bad());
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello\n")]
    [InlineData("cvmfsnix-spool 1\npath /nix/store/x\n")]
    [InlineData("cvmfsnix-spool 1\ndrv /x\nend\n")]
    [InlineData("cvmfsnix-spool 1\npath x\nend\n")]
    public async Task A_file_that_is_no_entry_is_set_aside_and_asks_nothing(string text)
    {
        using var folder = new SpoolFolder();
        File.WriteAllText(folder.Spool.Arrivals + "/1-1", text);

        Assert.Equal(0, await folder.DrainAsync());

        Assert.Empty(folder.Asked);
        Assert.Equal("InvalidEntry", folder.Spool.Reason(Assert.Single(folder.Spool.Bad()))!.Code);
    }

    [Fact]
    public async Task Only_links_named_after_the_entry_are_removed()
    {
        using var folder = new SpoolFolder();
        string file = folder.Root("1-1-file"), other = folder.Root("other");
        File.WriteAllText(file, "");
        File.CreateSymbolicLink(other, One);
        File.WriteAllText(folder.Spool.Arrivals + "/1-1", $"cvmfsnix-spool 1\npath {One}\nroot {file}\nroot {other}\nend\n");

        await folder.DrainAsync();

        Assert.True(File.Exists(file));
        Assert.Equal(One, new FileInfo(other).LinkTarget);
        Assert.Empty(folder.Entries);
    }
}
