using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>Content-addressed files of one repository, named by the digest of their stored bytes. Thread-safe.</summary>
public interface IObjectStore
{
    /// <summary>Whether the object is there. It need not be durable yet: see <see cref="ConfirmDurableAsync"/>.</summary>
    bool Contains(ObjectName name);

    /// <summary>Those of <paramref name="names"/> that are not there, in the order given.</summary>
    IReadOnlyList<ObjectName> FindMissing(IEnumerable<ObjectName> names);

    /// <summary>
    /// As <see cref="FindMissing"/>, and on return those that are there survive a power loss and are counted as new, see <see cref="Refresh"/>. Ask before acknowledging objects that
    /// somebody else put there: a concurrent batch makes them visible a moment before they are durable.
    /// </summary>
    /// <exception cref="ObjectStoreException">A directory cannot be made durable.</exception>
    Task<IReadOnlyList<ObjectName>> ConfirmDurableAsync(IEnumerable<ObjectName> names, CancellationToken cancellationToken);

    /// <summary>
    /// Whether the object is there, and if it is, counts it as new from here on: nothing deletes it for as long as new objects are kept. Ask so before anything
    /// is built on an object that somebody else put there.
    /// </summary>
    bool Refresh(ObjectName name) => Contains(name);

    /// <summary>The stored bytes; null when the object is not there. The caller disposes the stream.</summary>
    Stream? OpenRead(ObjectName name);

    /// <summary>Bytes as stored; null when the object is not there.</summary>
    long? StoredSize(ObjectName name);

    /// <summary>Starts a group of objects that become visible and durable together.</summary>
    ObjectBatch BeginBatch();

    /// <summary>Removes an object; false when it was not there. After a power loss it may be back.</summary>
    bool Delete(ObjectName name);
}
