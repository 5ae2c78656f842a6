using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;

namespace CvmfsNix.Cluster.Recovery.Mending;

/// <summary>An event as a store kept it.</summary>
/// <param name="Event">The event.</param>
/// <param name="Bytes">Its bytes in the journal.</param>
/// <param name="Store">The data folder that has it.</param>
internal sealed record WitnessedEvent(IRepositoryEvent Event, byte[] Bytes, string Store);

/// <summary>What stores have seen of a repository: the archives of core nodes tell the events, any folder the newest number and revision.</summary>
internal sealed class Witnesses
{
    private readonly SortedDictionary<long, WitnessedEvent> _events = [];

    private Witnesses(string repository) => Repository = repository;

    public string Repository { get; }

    /// <summary>Events by number.</summary>
    public IReadOnlyDictionary<long, WitnessedEvent> Events => _events;

    /// <summary>The newest event that any of them has seen.</summary>
    public long LastSequence { get; private set; }

    /// <summary>The newest revision that any of them serves.</summary>
    public ulong ServedRevision { get; private set; }

    /// <summary>Reads data folders of nodes that do not run.</summary>
    /// <exception cref="RecoveryException">Two of them tell different histories.</exception>
    public static Witnesses Read(string repository, IEnumerable<string> dataDirectories)
    {
        var witnesses = new Witnesses(repository);
        foreach (string data in dataDirectories)
            witnesses.Add(data);
        return witnesses;
    }

    private void Add(string data)
    {
        var layout = new StoreLayout(data);
        foreach (AppliedEventRecord applied in RepositoryStore.ReadArchive(layout, Repository))
        {
            LastSequence = Math.Max(LastSequence, applied.Sequence);
            // A mirror's archive has other content, and a damaged one has none: it tells the number alone.
            if (ClusterSerializer.ReadArchived(applied.Event.Span) is not ({ } read, { } bytes) || read is not IRepositoryEvent @event)
                continue;
            if (_events.TryGetValue(applied.Sequence, out WitnessedEvent? known) && !known.Bytes.AsSpan().SequenceEqual(bytes))
            {
                throw new RecoveryException(
                    RecoveryCodes.StoreDamaged, $"{known.Store} and {data} tell different events {applied.Sequence} of {Repository}.", data, "leave out the folder that followed the wrong journal");
            }

            _events[applied.Sequence] = new WitnessedEvent(@event, bytes, data);
        }

        string manifest = Path.Combine(layout.RepositoryFolder(Repository), ".cvmfspublished");
        if (!File.Exists(manifest))
            return;
        try
        {
            ServedRevision = Math.Max(ServedRevision, Manifest.ParseSigned(File.ReadAllBytes(manifest)).Manifest.Revision);
        }
        catch (ManifestFormatException e)
        {
            throw new RecoveryException(RecoveryCodes.StoreDamaged, $"{manifest} is no manifest: {e.Message}", manifest, "leave out this folder", e);
        }
    }
}
