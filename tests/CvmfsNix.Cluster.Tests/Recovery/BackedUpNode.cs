using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Recovery.Backups;
using CvmfsNix.Cluster.Recovery.Restoring;
using CvmfsNix.Cluster.Tests.Actors;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

[assembly: AssemblyFixture(typeof(CvmfsNix.Cluster.Tests.Recovery.BackedUpNode))]

namespace CvmfsNix.Cluster.Tests.Recovery;

/// <summary>A backup of a node that published a few paths, made once; tests work on copies of it.</summary>
public sealed class BackedUpNode : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cvmfsnix-backup-").FullName;

    public string Backup => Path.Combine(_folder, "backup");

    public string Reference => Path.Combine(_folder, "reference");

    /// <summary>The objects of the node, where a backup by reference takes them from.</summary>
    public string Objects => Path.Combine(Backup, "cvmfs");

    internal BackupManifest Manifest { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await using TestNode node = await TestNode.StartedAsync(TimeProvider.System);
        SyntheticPath first = SyntheticPath.Package("first");
        await DirectPublish.PublishAsync(node, first);
        await DirectPublish.PublishAsync(node, SyntheticPath.Package("second", references: [first.Path]));
        var request = new BackupRequest
        {
            Destination = Backup,
            DataDirectory = node.Layout.DataDirectory,
            Journal = new JournalOptions.Sqlite(node.JournalFile),
            KeysDirectory = node.Options.KeysDirectory,
        };
        Manifest = await new BackupRun(request, TimeProvider.System, _ => { }).RunAsync(CancellationToken.None);
        await new BackupRun(request with { Destination = Reference, Store = BackupStore.Reference, KeysDirectory = null }, TimeProvider.System, _ => { }).RunAsync(CancellationToken.None);
    }

    /// <summary>A copy of a backup that may be damaged.</summary>
    public string Copy(string backup)
    {
        string copy = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        foreach (string file in Directory.EnumerateFiles(backup, "*", SearchOption.AllDirectories))
        {
            string to = Path.Combine(copy, Path.GetRelativePath(backup, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }

        return copy;
    }

    /// <summary>A data folder that is not there yet.</summary>
    public string NewData() => Path.Combine(_folder, Guid.NewGuid().ToString("N"));

    internal static RestoreRequest Restore(string backup, string data) => new()
    {
        Backup = backup,
        DataDirectory = data,
        Journal = new JournalOptions.Sqlite(Path.Combine(data, "journal.db")),
        KeysDirectory = Path.Combine(data, "keys"),
    };

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
