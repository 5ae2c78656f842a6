using System.Text.Json.Nodes;
using CvmfsNix.Cluster.Recovery;
using CvmfsNix.Cluster.Recovery.Backups;
using CvmfsNix.Cluster.Recovery.Restoring;
using CvmfsNix.Cluster.Tests.Actors;
using Microsoft.Data.Sqlite;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Recovery;

/// <summary>What a backup holds, and that whatever is wrong with one is found before anything is written.</summary>
public sealed class RestoreTests(BackedUpNode node)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public void A_backup_says_what_it_holds()
    {
        BackupRepository repository = Assert.Single(node.Manifest.Repositories);
        Assert.Equal((TestNode.Fqrn, 3UL), (repository.Repository, repository.Revision));
        Assert.Equal(repository.Objects.Count, Directory.EnumerateFiles(Path.Combine(node.Backup, "cvmfs", TestNode.Fqrn, "data"), "*", SearchOption.AllDirectories).Count());
        Assert.Equal(repository.Records.Count, Directory.EnumerateFiles(Path.Combine(node.Backup, "meta", TestNode.Fqrn, "blobs"), "*", SearchOption.AllDirectories).Count());
        Assert.Contains(node.Manifest.Keys, k => k.Name == TestNode.Fqrn + ".key");
        Assert.Equal(["backup.json", "cvmfs", "journal.db", "keys", "lists", "meta"], Directory.EnumerateFileSystemEntries(node.Backup).Select(e => Path.GetFileName(e)).Order());
        Assert.False(Directory.Exists(node.Backup + ".partial"));
        foreach (string key in Directory.EnumerateFiles(Path.Combine(node.Backup, "keys")))
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(key) == (UnixFileMode.UserRead | UnixFileMode.UserWrite), key);
    }

    [Fact]
    public void A_backup_by_reference_has_records_and_no_objects()
    {
        Assert.Equal(["backup.json", "journal.db", "lists", "meta"], Directory.EnumerateFileSystemEntries(node.Reference).Select(e => Path.GetFileName(e)).Order());
        Assert.Equal(node.Manifest.Repositories[0].Objects, BackupContent.Open(node.Reference).Manifest.Repositories[0].Objects);
    }

    [Fact]
    public async Task A_backup_by_reference_takes_the_objects_from_another_store_or_restores_the_journal_alone()
    {
        await RefusedAsync(node.Reference, RecoveryCodes.StoreIncomplete);
        string data = node.NewData();
        await new RestoreRun(BackedUpNode.Restore(node.Reference, data) with { ObjectsDirectory = node.Objects }, _ => { }).RunAsync(Ct);
        Assert.Equal(Files(Path.Combine(node.Backup, "cvmfs")), Files(Path.Combine(data, "cvmfs")));
        File.Delete(Path.Combine(data, "journal.db"));
        await new RestoreRun(BackedUpNode.Restore(node.Reference, data) with { JournalOnly = true }, _ => { }).RunAsync(Ct);
        Assert.Equal(File.ReadAllBytes(Path.Combine(node.Reference, "journal.db")), File.ReadAllBytes(Path.Combine(data, "journal.db")));
        Assert.Equal(
            RecoveryCodes.TargetNotEmpty,
            (await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(BackedUpNode.Restore(node.Reference, data) with { JournalOnly = true }, _ => { }).RunAsync(Ct))).Code);
    }

    [Theory]
    [InlineData("-wal")]
    [InlineData("-shm")]
    [InlineData("-journal")]
    public async Task A_journal_is_not_restored_beside_the_log_of_another_one(string end)
    {
        string data = node.NewData();
        Directory.CreateDirectory(data);
        string left = Path.Combine(data, "journal.db" + end);
        await File.WriteAllTextAsync(left, "of a node that was killed", Ct);
        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(BackedUpNode.Restore(node.Reference, data) with { JournalOnly = true }, _ => { }).RunAsync(Ct));
        Assert.Equal(RecoveryCodes.TargetNotEmpty, refused.Code);
        Assert.Contains(left, refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(data, "journal.db")));
    }

    [Fact]
    public async Task Objects_that_another_store_lacks_are_named()
    {
        string objects = node.Copy(node.Objects);
        string lost = Directory.EnumerateFiles(objects, "*", SearchOption.AllDirectories).First();
        File.Delete(lost);
        string data = node.NewData();
        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(BackedUpNode.Restore(node.Reference, data) with { ObjectsDirectory = objects }, _ => { }).RunAsync(Ct));
        Assert.Equal((RecoveryCodes.StoreIncomplete, lost), (refused.Code, refused.What));
        Assert.False(Path.Exists(data));
    }

    [Fact]
    public async Task Whatever_file_is_lost_cut_or_changed_nothing_is_written()
    {
        foreach (string name in Files(node.Backup))
        {
            foreach (string damage in (string[])["lost", "cut", "changed", "longer"])
            {
                string copy = node.Copy(node.Backup), file = Path.Combine(copy, name);
                byte[] bytes = File.ReadAllBytes(file);
                switch (damage)
                {
                    case "lost":
                        File.Delete(file);
                        break;
                    case "cut":
                        File.WriteAllBytes(file, bytes[..(bytes.Length / 2)]);
                        break;
                    case "changed":
                        bytes[bytes.Length / 2] ^= 0x10;
                        File.WriteAllBytes(file, bytes);
                        break;
                    default:
                        File.AppendAllText(file, "x");
                        break;
                }

                string data = node.NewData();
                var e = await Record.ExceptionAsync(() => new RestoreRun(BackedUpNode.Restore(copy, data), _ => { }).RunAsync(Ct));
                // A note for people, and white space, may change unseen.
                if (e is null && name == "backup.json")
                    continue;
                Assert.True(e is RecoveryException { Code: RecoveryCodes.BackupDamaged or RecoveryCodes.BackupVersion }, $"{damage} {name}: {e}");
                Assert.False(Path.Exists(data), $"{damage} {name}");
                Directory.Delete(copy, recursive: true);
            }
        }
    }

    [Theory]
    [InlineData("version", 2, RecoveryCodes.BackupVersion)]
    [InlineData("version", 0, RecoveryCodes.BackupDamaged)]
    [InlineData("format", "tar", RecoveryCodes.BackupDamaged)]
    [InlineData("events", 1, RecoveryCodes.BackupDamaged)]
    [InlineData("journal", null, RecoveryCodes.BackupDamaged)]
    [InlineData("repositories", null, RecoveryCodes.BackupDamaged)]
    [InlineData("store", "elsewhere", RecoveryCodes.BackupDamaged)]
    public async Task A_manifest_of_another_kind_is_refused(string field, object? value, string code)
    {
        string copy = Edited(m => m[field] = value is null ? null : JsonValue.Create(value));
        await RefusedAsync(copy, code);
    }

    [Theory]
    [InlineData("../../etc")]
    [InlineData("/etc")]
    [InlineData("..")]
    [InlineData("")]
    public async Task A_name_that_is_a_path_is_refused(string name)
    {
        await RefusedAsync(Edited(m => m["repositories"]![0]!["repository"] = name), RecoveryCodes.BackupDamaged);
        await RefusedAsync(Edited(m => m["keys"]![0]!["name"] = name + "/" + TestNode.Fqrn + ".key"), RecoveryCodes.BackupDamaged);
    }

    [Theory]
    [InlineData("objects", "../../../../outside 5")]
    [InlineData("objects", "..%2f 5")]
    [InlineData("records", "../../../../../outside 5")]
    [InlineData("records", "0123 5")]
    [InlineData("records", "no number")]
    public async Task A_list_that_leads_elsewhere_is_refused(string list, string line)
    {
        string copy = node.Copy(node.Backup), file = Path.Combine(copy, "lists", $"{TestNode.Fqrn}.{list}");
        File.WriteAllText(file, line + "\n");
        string manifest = Path.Combine(copy, "backup.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(manifest))!;
        JsonNode said = json["repositories"]![0]![list]!["list"]!;
        said["sha256"] = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)));
        said["bytes"] = new FileInfo(file).Length;
        File.WriteAllText(manifest, json.ToJsonString());
        await RefusedAsync(copy, RecoveryCodes.BackupDamaged);
    }

    [Fact]
    public async Task A_backup_that_is_not_there_or_not_finished_is_refused()
    {
        await RefusedAsync(node.NewData(), RecoveryCodes.BackupDamaged);
        string copy = node.Copy(node.Backup);
        File.Delete(Path.Combine(copy, "backup.json"));
        await RefusedAsync(copy, RecoveryCodes.BackupDamaged);
    }

    [Fact]
    public async Task Other_keys_of_the_same_repository_are_never_replaced()
    {
        string data = node.NewData(), key = Path.Combine(data, "keys", TestNode.Fqrn + ".key");
        Directory.CreateDirectory(Path.GetDirectoryName(key)!);
        File.WriteAllText(key, "another");
        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(BackedUpNode.Restore(node.Backup, data), _ => { }).RunAsync(Ct));
        Assert.Equal((RecoveryCodes.KeysDiffer, key), (refused.Code, refused.What));
        Assert.Equal("another", File.ReadAllText(key));
        Assert.Equal(["keys"], Directory.EnumerateFileSystemEntries(data).Select(e => Path.GetFileName(e)));
    }

    [Fact]
    public async Task A_restore_that_was_killed_begins_again()
    {
        string data = node.NewData();
        Directory.CreateDirectory(Path.Combine(data, "restoring", "meta"));
        Directory.CreateDirectory(Path.Combine(data, "cvmfs", "half"));
        await new RestoreRun(BackedUpNode.Restore(node.Backup, data), _ => { }).RunAsync(Ct);
        Assert.Equal(Files(Path.Combine(node.Backup, "cvmfs")), Files(Path.Combine(data, "cvmfs")));
        Assert.False(Directory.Exists(Path.Combine(data, "restoring")));
    }

    [Fact]
    public async Task A_backup_is_never_written_over()
    {
        var request = new BackupRequest { Destination = node.Backup, DataDirectory = node.NewData(), Journal = new Cluster.Actors.Hosting.JournalOptions.Sqlite("none") };
        Assert.Equal(RecoveryCodes.BackupExists, (await Assert.ThrowsAsync<RecoveryException>(() => new BackupRun(request, TimeProvider.System, _ => { }).RunAsync(Ct))).Code);
        string elsewhere = node.NewData();
        Assert.Equal(RecoveryCodes.JournalUnusable, (await Assert.ThrowsAsync<RecoveryException>(() => new BackupRun(request with { Destination = elsewhere }, TimeProvider.System, _ => { }).RunAsync(Ct))).Code);
        Assert.False(Path.Exists(elsewhere) || Path.Exists(elsewhere + ".partial"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_store_that_lacks_or_has_damaged_what_the_journal_names_gives_no_backup(bool damaged)
    {
        string data = node.NewData(), destination = node.NewData();
        await new RestoreRun(BackedUpNode.Restore(node.Backup, data), _ => { }).RunAsync(Ct);
        // A content of a path; a superseded catalog may be lacking.
        string file = Directory.EnumerateFiles(Path.Combine(data, "cvmfs", TestNode.Fqrn, "data"), "*", SearchOption.AllDirectories).First(f => char.IsAsciiHexDigitLower(f[^1]));
        if (damaged)
            File.AppendAllText(file, "x");
        else
            File.Delete(file);
        var request = new BackupRequest
        {
            Destination = destination, DataDirectory = data, Journal = new Cluster.Actors.Hosting.JournalOptions.Sqlite(Path.Combine(data, "journal.db")), Patience = TimeSpan.Zero,
        };
        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new BackupRun(request, TimeProvider.System, _ => { }).RunAsync(Ct));
        Assert.Equal(damaged ? RecoveryCodes.StoreDamaged : RecoveryCodes.StoreIncomplete, refused.Code);
        Assert.False(Path.Exists(destination) || Path.Exists(destination + ".partial"));
    }

    private async Task RefusedAsync(string backup, string code)
    {
        string data = node.NewData();
        var refused = await Assert.ThrowsAsync<RecoveryException>(() => new RestoreRun(BackedUpNode.Restore(backup, data), _ => { }).RunAsync(Ct));
        Assert.Equal(code, refused.Code);
        Assert.False(Path.Exists(data));
        SqliteConnection.ClearAllPools();
    }

    private string Edited(Action<JsonNode> edit)
    {
        string copy = node.Copy(node.Backup), file = Path.Combine(copy, "backup.json");
        JsonNode json = JsonNode.Parse(File.ReadAllText(file))!;
        edit(json);
        File.WriteAllText(file, json.ToJsonString());
        return copy;
    }

    private static List<string> Files(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal)];
}
