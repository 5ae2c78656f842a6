using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Recovery.Backups;

/// <summary>What to back up, and where to.</summary>
public sealed record BackupRequest
{
    /// <summary>The folder to make; nothing may lie there.</summary>
    public required string Destination { get; init; }

    /// <summary>The data folder of a core node on this machine, which may run.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The journal that node writes to.</summary>
    public required JournalOptions Journal { get; init; }

    /// <summary>Whether the objects are copied.</summary>
    public BackupStore Store { get; init; } = BackupStore.Copy;

    /// <summary>The folder whose key files are taken along; null = none are.</summary>
    public string? KeysDirectory { get; init; }

    /// <summary>How long the store may take to have what the journal says: it follows a moment later, and longer where it is being filled.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);
}
