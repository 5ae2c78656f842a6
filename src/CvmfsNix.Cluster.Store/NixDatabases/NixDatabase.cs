using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Index;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Objects;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Store.NixDatabases;

/// <summary>
/// The database of Nix that a repository holds, ready for the next revision. The journal and the index are the truth, this is derived from them: one that cannot be had or does not fit the index is made
/// anew. It is kept as fixed pieces, so that a revision stores and sends the pieces it changed:
/// <code>
/// rows ──commit──► log beside the file ──when due──► file, changed pages ──► changed pieces, compressed ──► chunk rows of the root catalog
/// </code>
/// A burst of commits stores it now and then, at most a twentieth of the time; what it lacks then comes with a later commit, or with a revision of its own. It never has a path that the tree lacks:
/// what is removed goes from both in one revision. Not thread-safe.
/// </summary>
internal sealed class NixDatabase : IDisposable
{
    /// <summary>Storing takes at most one part in this many of the time.</summary>
    private const int Share = 20;

    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(10);

    private const int ChangeCounterAt = 24;
    private const int PageCountAt = 28;
    private const int ValidForAt = 92;
    private const int PagesPerChunk = NixDatabaseTree.ChunkSize / NixDatabaseSchema.PageSize;

    private readonly RepositoryFormat _format;
    private readonly IObjectStore _objects;
    private readonly string _file;
    private readonly StoredDerivations _derivations;
    private readonly byte[] _buffer = new byte[NixDatabaseTree.ChunkSize];
    private readonly NixDatabaseRows _rows;
    private List<FileChunk?> _chunks = [];
    private long? _storedAt;
    private TimeSpan _pause;

    private NixDatabase(RepositoryFormat format, IObjectStore objects, string folder, StoredDerivations derivations, NixDatabaseRows? rows)
    {
        _format = format;
        _objects = objects;
        _file = FileIn(folder);
        _derivations = derivations;
        _rows = rows ?? NixDatabaseRows.Create(_file, format.StoreDirectory);
    }

    /// <summary>Whether rows have changed since it was last stored.</summary>
    public bool Behind { get; private set; }

    /// <summary>Whether it is time to store it with the next revision.</summary>
    public bool Due => Behind && DueIn == TimeSpan.Zero;

    /// <summary>When it will be time, if it is behind.</summary>
    public TimeSpan DueIn => _storedAt is { } at && _pause - Stopwatch.GetElapsedTime(at) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

    /// <summary>What the last storing added to the store: stored bytes, and how long it took.</summary>
    public (long Bytes, TimeSpan Took) LastStored { get; private set; }

    /// <summary>Its bytes when it was last stored by this process.</summary>
    public long Size { get; private set; }

    /// <summary>Unpacks the database that a root catalog has, and brings it up to the index. One that is not all here, or damaged, is made anew.</summary>
    /// <param name="row">Its row in the root catalog; null = there is none yet.</param>
    /// <param name="format">The repository.</param>
    /// <param name="objects">Its objects.</param>
    /// <param name="folder">For the file.</param>
    /// <param name="derivations">Reads derivations among the paths.</param>
    /// <param name="paths">All paths of the revision.</param>
    /// <param name="now">When paths are registered that it lacks.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static NixDatabase Open(
        CatalogEntry? row, RepositoryFormat format, IObjectStore objects, string folder, StoredDerivations derivations, PathIndex paths, DateTimeOffset now, CancellationToken cancellationToken)
    {
        NixDatabase? database = row is null ? null : TryUnpack(row, format, objects, folder, derivations, cancellationToken);
        database ??= new NixDatabase(format, objects, folder, derivations, null) { Behind = true };
        try
        {
            // A path never changes but in its signatures, which only become more.
            if (database._rows.Measure() != paths.Measure())
                database.Align(paths, now, cancellationToken);
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>An empty one, for a first revision.</summary>
    public static NixDatabase Create(RepositoryFormat format, IObjectStore objects, string folder) =>
        new(format, objects, folder, new StoredDerivations(objects, static _ => null), null) { Behind = true };

    /// <summary>Starts the edits of a revision.</summary>
    public void Begin() => _rows.Begin();

    /// <summary>Adds a path whose rows are in the working catalog.</summary>
    public void Add(PathInfo info, DateTimeOffset at)
    {
        _rows.Add(info, at, _derivations.OutputsOf(info.Path));
        Behind = true;
    }

    /// <summary>Gives a path the signatures of this registration.</summary>
    public void Sign(PathInfo info)
    {
        _rows.Sign(info);
        Behind = true;
    }

    /// <summary>Removes paths.</summary>
    public void Remove(IEnumerable<StorePathName> paths)
    {
        _rows.Remove(paths.Select(_format.StoreDirectory.FullPath));
        Behind = true;
    }

    /// <summary>Ends the edits.</summary>
    public void Commit() => _rows.Commit();

    /// <summary>Takes back the edits, of which there were none.</summary>
    public void Cancel() => _rows.Rollback();

    /// <summary>Gives back what removed rows took, when it is much.</summary>
    public void CompactIfSparse() => _rows.CompactIfSparse();

    /// <summary>Adds what changed to a batch. Returns the row of the root catalog, and the names of the objects that were added.</summary>
    public async Task<(CatalogEntry Row, IReadOnlyList<ObjectName> Objects)> StoreAsync(ObjectBatch batch, ulong revision, CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        HashSet<int> changed = [0, .. _rows.TakeChanges().Select(page => checked((int)((page - 1) / PagesPerChunk)))];
        var added = new List<ObjectName>();
        long bytes = 0;
        using var file = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        long length = file.Length;
        int count = checked((int)((length + NixDatabaseTree.ChunkSize - 1) / NixDatabaseTree.ChunkSize));
        var chunks = new List<FileChunk?>(count);
        for (int i = 0; i < count; i++)
        {
            long offset = (long)i * NixDatabaseTree.ChunkSize;
            int size = (int)Math.Min(NixDatabaseTree.ChunkSize, length - offset);
            if (!changed.Contains(i) && i < _chunks.Count && _chunks[i] is { } known && known.Size == size)
            {
                chunks.Add(known);
                continue;
            }

            cancellationToken.ThrowIfCancellationRequested();
            Memory<byte> piece = _buffer.AsMemory(0, size);
            file.Position = offset;
            await file.ReadExactlyAsync(piece, cancellationToken).ConfigureAwait(false);
            if (i == 0)
                Finish(piece.Span, revision, length);
            byte[] stored = ObjectCompression.Compress(piece.Span, CompressionLevel.Fastest);
            ObjectName name = await batch.AddAsync(ObjectKind.Chunk, stored, cancellationToken).ConfigureAwait(false);
            chunks.Add(new FileChunk(offset, size, name.Hash));
            added.Add(name);
            bytes += stored.Length;
        }

        _chunks = chunks;
        Behind = false;
        Size = length;
        TimeSpan took = Stopwatch.GetElapsedTime(started);
        LastStored = (bytes, took);
        _storedAt = Stopwatch.GetTimestamp();
        _pause = TimeSpan.FromTicks(Math.Clamp(took.Ticks * (Share - 1), PauseMin.Ticks, PauseMax.Ticks));
        return (NixDatabaseTree.Row(NixDatabaseTree.File(_format), length, null, [.. chunks.OfType<FileChunk>()], _format.HashAlgorithm), added);
    }

    public void Dispose() => _rows.Dispose();

    // Readers open it where nothing can be written: no log may be expected beside it. A connection that lasts notices other content by the counter.
    private static void Finish(Span<byte> first, ulong revision, long length)
    {
        first[18] = first[19] = 1;
        uint counter = unchecked((uint)revision);
        BinaryPrimitives.WriteUInt32BigEndian(first[ChangeCounterAt..], counter);
        BinaryPrimitives.WriteUInt32BigEndian(first[ValidForAt..], counter);
        BinaryPrimitives.WriteUInt32BigEndian(first[PageCountAt..], checked((uint)(length / NixDatabaseSchema.PageSize)));
    }

    private static string FileIn(string folder) => Path.Combine(folder, "nix-database.sqlite");

    private static NixDatabase? TryUnpack(CatalogEntry row, RepositoryFormat format, IObjectStore objects, string folder, StoredDerivations derivations, CancellationToken cancellationToken)
    {
        string file = FileIn(folder);
        using (var copy = new FileStream(file, FileMode.Create, FileAccess.Write))
        {
            foreach (FileChunk chunk in row.Chunks)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (chunk.Offset != copy.Position || chunk.Size > NixDatabaseTree.ChunkSize || Read(objects, chunk) is not { } piece)
                    return null;
                copy.Write(piece);
            }

            if (copy.Length != row.Size || copy.Length == 0)
                return null;
        }

        NixDatabaseRows? rows = null;
        try
        {
            rows = NixDatabaseRows.Open(file, format.StoreDirectory);
            // Opening it changed its mark of a journal and nothing else; that is put back when it is stored.
            rows.TakeChanges();
            return new NixDatabase(format, objects, folder, derivations, rows) { _chunks = [.. row.Chunks] };
        }
        catch (SqliteException)
        {
            rows?.Dispose();
            return null;
        }
    }

    // Null where it is not here. One that has other bytes than its name says is removed: what is made anew may have the same name.
    private static byte[]? Read(IObjectStore objects, FileChunk chunk)
    {
        var name = new ObjectName(chunk.Hash, ObjectKind.Chunk);
        using Stream? stored = objects.OpenRead(name);
        if (stored is null)
            return null;
        var bytes = new byte[Math.Min(stored.Length, 2 * NixDatabaseTree.ChunkSize)];
        stored.ReadExactly(bytes);
        if (ObjectHasher.Hash(chunk.Hash.Algorithm, bytes) != chunk.Hash)
        {
            objects.Delete(name);
            return null;
        }

        byte[] plain = ObjectCompression.Decompress(bytes, NixDatabaseTree.ChunkSize);
        return plain.Length == chunk.Size ? plain : null;
    }

    // Both are in the order of names.
    private void Align(PathIndex paths, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var gone = new List<string>();
        var signed = new List<PathInfo>();
        var missing = new HashSet<StorePathName>();
        using (IEnumerator<(string Path, string Signatures)> here = _rows.Paths().GetEnumerator())
        {
            bool more = here.MoveNext();
            foreach (PathInfo info in paths.All().Select(p => p.Info))
            {
                cancellationToken.ThrowIfCancellationRequested();
                string full = _format.StoreDirectory.FullPath(info.Path);
                for (; more && string.CompareOrdinal(here.Current.Path, full) < 0; more = here.MoveNext())
                    gone.Add(here.Current.Path);
                if (!more || here.Current.Path != full)
                {
                    missing.Add(info.Path);
                    continue;
                }

                if (here.Current.Signatures != NixDatabaseRows.Signatures(info))
                    signed.Add(info);
                more = here.MoveNext();
            }

            for (; more; more = here.MoveNext())
                gone.Add(here.Current.Path);
        }

        _rows.Begin();
        _rows.Remove(gone);
        signed.ForEach(_rows.Sign);
        if (missing.Count > 0)
        {
            foreach (PathInfo info in paths.All().Select(p => p.Info).Where(i => missing.Contains(i.Path)))
            {
                cancellationToken.ThrowIfCancellationRequested();
                _rows.Add(info, now, _derivations.OutputsOf(info.Path));
            }
        }

        _rows.Commit();
        Behind = true;
    }
}
