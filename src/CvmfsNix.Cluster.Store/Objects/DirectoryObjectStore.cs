using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Objects;

/// <summary>
/// Objects in a repository folder of stock shape: <c>data/00</c>…<c>data/ff</c>, with temporary files in <c>data/txn</c> only
/// (CernVM-FS repository format, object store layout).
/// </summary>
public sealed class DirectoryObjectStore : IObjectStore
{
    private readonly HashedDirectories _directories;

    /// <summary>Opens or creates the store; creates its directories durably and empties <c>data/txn</c>. One process at a time.</summary>
    /// <exception cref="IOException">A directory cannot be made; the message names it.</exception>
    public DirectoryObjectStore(string repositoryFolder, HashAlgorithmId algorithm)
    {
        RepositoryFolder = Path.GetFullPath(repositoryFolder);
        Algorithm = algorithm;
        string data = Path.Combine(RepositoryFolder, "data");
        TemporaryFolder = Path.Combine(data, "txn");
        DurableDirectory.Ensure(data);
        Directory.CreateDirectory(TemporaryFolder);
        DurableDirectory.Empty(TemporaryFolder);
        _directories = new HashedDirectories(data);
    }

    /// <summary>The folder that holds <c>data</c>.</summary>
    public string RepositoryFolder { get; }

    /// <summary>The digest that names objects.</summary>
    public HashAlgorithmId Algorithm { get; }

    /// <summary>Scratch on the objects' file system; emptied when the store is opened.</summary>
    public string TemporaryFolder { get; }

    /// <inheritdoc/>
    public bool Contains(ObjectName name) => File.Exists(PathOf(name));

    /// <inheritdoc/>
    public IReadOnlyList<ObjectName> FindMissing(IEnumerable<ObjectName> names) => [.. names.Where(name => !Contains(name))];

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ObjectName>> ConfirmDurableAsync(IEnumerable<ObjectName> names, CancellationToken cancellationToken)
    {
        List<ObjectName> missing = [];
        HashSet<byte> directories = [];
        foreach (ObjectName name in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Refresh(name))
                directories.Add(DirectoryOf(name));
            else
                missing.Add(name);
        }

        await SyncAsync(directories).ConfigureAwait(false);
        return missing;
    }

    /// <inheritdoc/>
    public Stream? OpenRead(ObjectName name)
    {
        try
        {
            return new FileStream(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public long? StoredSize(ObjectName name)
    {
        var file = new FileInfo(PathOf(name));
        return file.Exists ? file.Length : null;
    }

    /// <inheritdoc/>
    public ObjectBatch BeginBatch() => new DirectoryObjectBatch(this);

    /// <inheritdoc/>
    public bool Delete(ObjectName name)
    {
        string path = PathOf(name);
        if (!File.Exists(path))
            return false;
        File.Delete(path);
        return true;
    }

    /// <inheritdoc/>
    public bool Refresh(ObjectName name) => _directories.Refresh(DirectoryOf(name), PathOf(name));

    /// <summary>Removes an object unless it was written, or counted on, at <paramref name="cutoff"/> or later; decided and done in one, whoever counts on it meanwhile.</summary>
    /// <returns>Its stored bytes; null when it stays or was not there.</returns>
    internal long? DeleteOlder(ObjectName name, DateTimeOffset cutoff) => _directories.DeleteOlder(DirectoryOf(name), PathOf(name), cutoff);

    /// <summary>The files of one of the 256 directories that are objects by their names, with their stored bytes and the time they were last counted on.</summary>
    internal IEnumerable<(ObjectName Name, long Size, DateTimeOffset At)> List(byte directory)
    {
        string prefix = directory.ToString("x2", System.Globalization.CultureInfo.InvariantCulture);
        foreach (FileInfo file in new DirectoryInfo(Path.Combine(RepositoryFolder, "data", prefix)).EnumerateFiles())
        {
            if (!ObjectName.TryParse(prefix + file.Name, out ObjectName name) || name.Hash.Algorithm != Algorithm)
                continue;
            (long Size, DateTimeOffset At)? found = null;
            try
            {
                found = (file.Length, file.LastWriteTimeUtc);
            }
            catch (FileNotFoundException)
            {
                // Deleted since it was listed.
            }

            if (found is { } there)
                yield return (name, there.Size, there.At);
        }
    }

    /// <summary>The file of an object, whether it is there or not.</summary>
    public string PathOf(ObjectName name) => Path.Combine(RepositoryFolder, name.RelativePath);

    internal static byte DirectoryOf(ObjectName name)
    {
        Span<byte> digest = stackalloc byte[ObjectHash.Size];
        name.Hash.CopyTo(digest);
        return digest[0];
    }

    internal void Rename(ObjectName name, string temporary) => _directories.Rename(DirectoryOf(name), temporary, PathOf(name));

    internal async Task SyncAsync(IEnumerable<byte> directories)
    {
        try
        {
            await _directories.SyncAsync(directories).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new ObjectStoreException(e.Message, e);
        }
    }
}
