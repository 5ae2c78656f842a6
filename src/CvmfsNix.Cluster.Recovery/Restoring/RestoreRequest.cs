using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Recovery.Restoring;

/// <summary>What to restore, and where to.</summary>
public sealed record RestoreRequest
{
    /// <summary>The backup's folder.</summary>
    public required string Backup { get; init; }

    /// <summary>The data folder to fill.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Only the journal is restored, because the stores are still there. It may be older than they are, and then is mended.</summary>
    public bool JournalOnly { get; init; }

    /// <summary>The journal to fill: the file in the data folder, or an empty database.</summary>
    public required JournalOptions Journal { get; init; }

    /// <summary>Where key files of the backup go.</summary>
    public required string KeysDirectory { get; init; }

    /// <summary>Where the objects of a backup by reference are: a folder with a folder for each repository, as <c>DATA/cvmfs</c>; null = in the backup.</summary>
    public string? ObjectsDirectory { get; init; }
}
