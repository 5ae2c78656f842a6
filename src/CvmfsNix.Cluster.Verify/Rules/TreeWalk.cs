using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>
/// Walks a catalog's rows from its root row down, so that every row gets its path, and checks each. Holds one directory listing a level. A row
/// whose key is not that of its path is not entered: what hangs below it would only repeat the finding.
/// </summary>
internal sealed class TreeWalk(CatalogScope scope, RegistrationRules registrations, Action<ObjectReference>? needs)
{
    private const int StraysMax = 100;
    private static readonly byte[] Marker = [.. ".cvmfscatalog"u8];

    // Rows that are not where their key belongs.
    private readonly List<StrayRows.Met> _strays = [];
    private readonly Stack<Level> _levels = new();
    private long _reached;

    /// <summary>Checks every row; gives the root row, or null where there is none.</summary>
    public CatalogRow? Run()
    {
        RepositoryPath top = scope.Context.Path;
        RowKey key = RowKey.Of(top.Bytes.Span);
        CatalogRow? root = scope.Tables.Find(key) ?? MisplacedRoot(top, key);
        if (root is null)
        {
            scope.RootRowIsReported = true;
            scope.Report(VerifyRules.RootRow, top.ToString(), "There is no row of the catalog's root directory.");
            return null;
        }

        CheckRoot(top, root);
        if (root.IsDirectory || (root.Flags & CatalogRow.FlagDirectory) != 0)
        {
            _levels.Push(new Level(top, root, scope.Tables.Children(key), isTop: true));
            try
            {
                while (_levels.TryPeek(out Level? level))
                {
                    if (level.Next() is { } row)
                        Visit(level, row);
                    else
                        Leave(_levels.Pop());
                }
            }
            finally
            {
                while (_levels.TryPop(out Level? level))
                    level.Dispose();
            }
        }

        new StrayRows(scope, key).Report(_strays, _reached);
        return root;
    }

    // The root row under another key, if a row with its name and parent is there.
    private CatalogRow? MisplacedRoot(RepositoryPath top, RowKey key)
    {
        RowKey parent = top.IsRoot ? RowKey.None : RowKey.Of(top.Parent.Bytes.Span);
        using Statement rows = scope.Tables.Children(parent);
        while (rows.Step())
        {
            CatalogRow row = CatalogTables.Read(rows);
            if (!row.IsDirectory || row.Name is null || !row.Name.AsSpan().SequenceEqual(top.Name.Span))
                continue;
            scope.RootRowIsReported = true;
            scope.MissedKeys.Add(key);
            scope.Report(VerifyRules.PathKey, top.ToString(), KeyMessage(row.Key, key));
            return row;
        }

        return null;
    }

    private void CheckRoot(RepositoryPath top, CatalogRow root)
    {
        _reached++;
        bool isNested = !top.IsRoot;
        RowKey parent = isNested ? RowKey.Of(top.Parent.Bytes.Span) : RowKey.None;
        if (!root.IsDirectory)
        {
            // Whatever else it is wrong in follows from that.
            scope.UncertainRows.Add(root.Key);
            Say($"The root of the catalog is no directory by its mode {Convert.ToString(root.Mode, 8)} (octal).");
            return;
        }

        CheckRow(top, root, isCatalogRoot: true);
        if (scope.UncertainRows.Contains(root.Key))
            return;
        if (root.Parent != parent)
            Say($"The parent key of the catalog's root is {root.Parent.First}, {root.Parent.Last} instead of {parent.First}, {parent.Last}.");
        else if ((root.Flags & CatalogRow.FlagNestedRoot) != 0 != isNested)
            Say(isNested ? "The root of a nested catalog lacks the flag 32." : "The root of the root catalog has the flag 32.");
        else if (!isNested && root.Name is { Length: > 0 })
            Say($"The root of the root catalog is named \"{Shown.Text(root.Name)}\".");

        void Say(string message)
        {
            scope.RootRowIsReported = true;
            scope.Report(VerifyRules.RootRow, top.ToString(), message);
        }
    }

    private void Visit(Level level, CatalogRow row)
    {
        // The root row as an entry of its own directory: its parent key was reported.
        if (row.Key == level.Row.Key)
            return;
        _reached++;
        byte[] name = row.Name ?? [];
        if (row.Name is null)
        {
            scope.Report(VerifyRules.NullText, scope.PathOf(row), "The name is NULL.");
            scope.TreeIsCut = true;
            CountDirectory(level, row);
            return;
        }

        if ((RowRules.NameFault(name) ?? RowRules.PathFault(level.Path, name)) is { } fault)
        {
            scope.Report(VerifyRules.EntryName, scope.PathOf(row), $"The name \"{Shown.Text(name)}\" cannot be: {fault}.");
            scope.TreeIsCut = true;
            CountDirectory(level, row);
            return;
        }

        RepositoryPath path = level.Path.Combine(name);
        RowKey key = RowKey.Of(path.Bytes.Span);
        if (level.IsRepeated(row))
        {
            // Of rows with one name at most one has the key of the path; that one is looked at, whichever comes first.
            if (!level.RepetitionIsReported)
                scope.Report(VerifyRules.DuplicateName, path.ToString(), "Several rows of this directory have this name.");
            level.RepetitionIsReported = true;
            if (row.IsDirectory)
                scope.DirectoriesInDoubt++;
            if (row.Key != key)
                return;
        }
        else if (row.Key != key)
        {
            if (row.IsDirectory)
                scope.DirectoriesInDoubt++;
            scope.MissedKeys.Add(key);
            CountDirectory(level, row);
            if (_strays.Count < StraysMax)
                _strays.Add(new StrayRows.Met(row, path.ToString(), key));
            else
                scope.Report(VerifyRules.PathKey, path.ToString(), KeyMessage(row.Key, key));
            return;
        }

        CountDirectory(level, row);
        CheckRow(path, row, isCatalogRoot: false);
        CheckMarker(level, path, row);
        if (row.IsMountPoint || row.IsBind)
        {
            if (row.IsDirectory)
            {
                registrations.Met(path, row);
                if (scope.Tables.CountChildren(row.Key) is > 0 and var children)
                {
                    scope.TreeIsCut = true;
                    scope.Report(VerifyRules.MountPointChildren, path.ToString(), $"The directory is a mount point, but {children} of its entries are in the parent catalog.");
                }
            }

            return;
        }

        if (row.IsDirectory || (row.Flags & CatalogRow.FlagDirectory) != 0)
            _levels.Push(new Level(path, row, scope.Tables.Children(row.Key), isTop: false));
        else if (row.IsRegular)
            CheckContent(path, row);
    }

    private void CheckRow(RepositoryPath path, CatalogRow row, bool isCatalogRoot) => RowRules.Check(
        row,
        isCatalogRoot,
        () => scope.Tables.HasChunks(row.Key),
        (rule, message) =>
        {
            if (isCatalogRoot)
                scope.RootRowIsReported = true;
            if (rule == VerifyRules.EntryType)
            {
                scope.UncertainRows.Add(row.Key);
                scope.DirectoriesInDoubt++;
            }

            scope.Report(rule, path.ToString(), message);
        });

    private void CheckMarker(Level level, RepositoryPath path, CatalogRow row)
    {
        if (!row.Name.AsSpan().SequenceEqual(Marker))
            return;
        if (!level.IsTop)
            scope.Report(VerifyRules.MarkerMisplaced, path.ToString(), "Only the root directory of a catalog has a .cvmfscatalog.");
        else if (row.IsRegular || scope.UncertainRows.Contains(row.Key))
            level.HasMarker = true;
    }

    private void CheckContent(RepositoryPath path, CatalogRow row)
    {
        if (row.IsChunked)
            ChunkRules.CheckFile(scope, path, row, needs);
        if (needs is null || row.IsExternal || row.Algorithm is not { } algorithm || row.Compression > 1)
            return;
        if (row.Hash is not { Length: ObjectHash.Size } hash || !row.HashIsBlob || RowRules.HashFault(hash, true) is not null)
            return;
        long size = row.Size < 0 || scope.BrokenGroups.Contains(row.Group) ? ObjectReference.SizeUnknown : row.Size;
        needs(new ObjectReference(new ObjectName(new ObjectHash(algorithm, hash), ObjectKind.Data), (CompressionAlgorithm)row.Compression, size, path));
    }

    private static void CountDirectory(Level level, CatalogRow row)
    {
        if (row.IsDirectory)
            level.Directories++;
    }

    private void Leave(Level level)
    {
        level.Dispose();
        if (level.Row.IsDirectory && level.Row.LinkCount != 2 + level.Directories)
            scope.LinkCounts.Add((level.Path, level.Row.LinkCount, 2 + level.Directories));
        if (level.IsTop && !level.Path.IsRoot && !level.HasMarker)
            scope.Report(VerifyRules.MarkerMissing, level.Path.ToString(), "The root directory of the nested catalog has no regular file .cvmfscatalog.");
    }

    internal static string KeyMessage(RowKey found, RowKey expected) =>
        $"The row's key is {found.First}, {found.Last}; the MD5 of its path makes {expected.First}, {expected.Last}.";

    /// <summary>A directory whose entries are being read.</summary>
    private sealed class Level(RepositoryPath path, CatalogRow row, Statement entries, bool isTop) : IDisposable
    {
        private CatalogRow? _next;
        private bool _started;
        private byte[]? _previousName;

        public RepositoryPath Path => path;

        public CatalogRow Row => row;

        public bool IsTop => isTop;

        public long Directories { get; set; }

        public bool HasMarker { get; set; }

        public bool RepetitionIsReported { get; set; }

        private byte[]? Name { get; set; }

        public CatalogRow? Next()
        {
            if (!_started)
                _next = Step();
            _started = true;
            if (_next is not { } current)
                return null;
            _previousName = Name;
            Name = current.Name;
            if (!Same(_previousName, Name))
                RepetitionIsReported = false;
            _next = Step();
            return current;
        }

        /// <summary>True when the row before or behind it has the same name.</summary>
        public bool IsRepeated(CatalogRow current) => Same(_previousName, current.Name) || (_next is { } next && Same(next.Name, current.Name));

        public void Dispose() => entries.Dispose();

        private static bool Same(byte[]? one, byte[]? other) => one is not null && other is not null && one.AsSpan().SequenceEqual(other);

        private CatalogRow? Step() => entries.Step() ? CatalogTables.Read(entries) : null;
    }
}
