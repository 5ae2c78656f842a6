using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration;

/// <summary>The stores of the cluster and this node's own. Thread-safe.</summary>
public interface IStoreAdministration
{
    /// <summary>Stores an object has to be on before anybody is answered.</summary>
    int CopiesRequired { get; }

    /// <summary>The stores of members that are up and reachable, by address.</summary>
    IReadOnlyList<StoreView> Stores { get; }

    /// <summary>
    /// Reads everything this node has of a repository and compares it with its names. With <paramref name="repair"/>, what is damaged is
    /// replaced by the copy of another store; without one it is left as it is.
    /// </summary>
    /// <param name="fqrn">The repository.</param>
    /// <param name="repair">Replaces what is damaged.</param>
    /// <param name="bytesPerSecond">Bound; 0 = none.</param>
    /// <param name="progress">Told of every thousandth item.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="PublishingException">UnknownRepository.</exception>
    Task<StoreScrubReport> ScrubAsync(string fqrn, bool repair, long bytesPerSecond, Action<StoreScrubReport> progress, CancellationToken ct);
}

/// <summary>A store of the current store set.</summary>
/// <param name="Id">Written in its directory.</param>
/// <param name="Address">Remoting address of its node.</param>
/// <param name="Url">Its data port.</param>
/// <param name="Site">Its datacenter.</param>
/// <param name="Own">It is this node's.</param>
public sealed record StoreView(string Id, string Address, string Url, string Site, bool Own);

/// <summary>What a scrub of a store found.</summary>
/// <param name="Items">Objects and record files read.</param>
/// <param name="Bytes">Their stored bytes.</param>
/// <param name="Damaged">Names of those that are not what their names say, or that cannot be read.</param>
/// <param name="Repaired">Of those, replaced from another store.</param>
public sealed record StoreScrubReport(long Items, long Bytes, IReadOnlyList<string> Damaged, IReadOnlyList<string> Repaired);
