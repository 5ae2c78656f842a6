using System.Security.Cryptography;
using System.Text;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>
/// What a disk is bound to hold, and what it may hold besides, after each recorded operation.
/// <para>
/// A file's contents are bound to be there as far as the file was fsynced; a name (made, renamed or removed) as far as its
/// folder was fsynced. Everything later is pending: a disk may keep any part of it, writes in pieces, in any order. Nothing
/// more is assumed: syncing a file does not keep its name, a rename is two changes in two folders.
/// </para>
/// </summary>
internal sealed class DiskModel
{
    private const int SectorBytes = 4096;
    private const long Truncating = 0x200;
    private const long Creating = 0x40;
    private const long Synchronous = 0x1000;

    private readonly string _root;
    private readonly Func<int, bool> _ignoresSync;
    private readonly Dictionary<(int Process, int Descriptor), (Inode Inode, bool Synchronous)> _open = [];
    private readonly Inode _top = new(isFolder: true);
    private int _operations;

    /// <param name="root">The folder that was recorded; it was there, durable and empty, before.</param>
    /// <param name="ignoresSync">True for the number of an fsync that is to count as left out.</param>
    public DiskModel(string root, Func<int, bool>? ignoresSync = null)
    {
        _root = root;
        _ignoresSync = ignoresSync ?? (_ => false);
    }

    /// <summary>The files and folders that each sync was for, by the number of the operation.</summary>
    public Dictionary<int, Inode> Syncs { get; } = [];

    /// <summary>Replays operations up to a number.</summary>
    public DiskModel ReplayTo(OperationLog log, int count)
    {
        for (; _operations < count; _operations++)
            Apply(_operations, log.Operations[_operations]);
        return this;
    }

    /// <summary>Writes the disk as it may be found: the bound part and the pending changes that <paramref name="keeps"/> chooses.</summary>
    /// <param name="folder">Made here; stands for the recorded root.</param>
    /// <param name="keeps">Asked with the number of an operation and the number of a sector within it.</param>
    public void WriteImage(string folder, Func<int, int, bool> keeps) => WriteFolder(_top, folder, keeps);

    /// <summary>A digest over all names and contents of <see cref="WriteImage"/>, without writing it.</summary>
    public string ImageDigest(Func<int, int, bool> keeps)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(_top, "");
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(Inode inode, string path)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path}\n{inode.IsFolder}\n"));
            if (!inode.IsFolder)
            {
                hash.AppendData(inode.Contents(keeps));
                return;
            }

            foreach ((string name, Inode child) in inode.Names(keeps).OrderBy(n => n.Key, StringComparer.Ordinal))
            {
                if (!IsNoDurableState(name))
                    Add(child, path + "/" + name);
            }
        }
    }

    /// <summary>The same over the bound part alone; cheap, because what was not synced since is not hashed again.</summary>
    public string BoundDigest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(_top, "");
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(Inode inode, string path)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path}\n{inode.IsFolder}\n"));
            if (!inode.IsFolder)
            {
                hash.AppendData(inode.DurableDigest);
                return;
            }

            foreach ((string name, Inode child) in inode.DurableNames.OrderBy(n => n.Key, StringComparer.Ordinal))
            {
                if (!IsNoDurableState(name))
                    Add(child, path + "/" + name);
            }
        }
    }

    /// <summary>SQLite's shared memory: written through a mapping, and rebuilt from the write-ahead log whenever a database is opened first.</summary>
    public static bool IsNoDurableState(string name) => name.EndsWith("-shm", StringComparison.Ordinal);

    private static void WriteFolder(Inode inode, string folder, Func<int, int, bool> keeps)
    {
        Directory.CreateDirectory(folder);
        foreach ((string name, Inode child) in inode.Names(keeps))
        {
            string path = Path.Combine(folder, name);
            if (IsNoDurableState(name))
                continue;
            if (child.IsFolder)
                WriteFolder(child, path, keeps);
            else if (child.LinkTarget is { } target)
                File.CreateSymbolicLink(path, target);
            else
                WriteFile(path, child.Contents(keeps));
        }
    }

    private static void WriteFile(string path, byte[] contents)
    {
        File.WriteAllBytes(path, contents);
        // Secret keys must be private; the rest may be.
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private void Apply(int number, Operation operation)
    {
        var descriptor = (operation.Process, operation.Descriptor);
        switch (operation.Kind)
        {
            case OperationKind.Start:
                foreach (var old in _open.Keys.Where(k => k.Process == operation.Process).ToArray())
                    _open.Remove(old);
                break;
            case OperationKind.Open:
                _open[descriptor] = (Open(number, operation), (operation.A & Synchronous) != 0);
                break;
            case OperationKind.Close:
                _open.Remove(descriptor);
                break;
            case OperationKind.Duplicate:
                _open[(operation.Process, (int)operation.A)] = _open[descriptor];
                break;
            case OperationKind.Write:
                Change(operation.A, operation.Data, ChangeKind.Write);
                break;
            case OperationKind.Truncate when operation.Descriptor < 0:
                Find(operation.Path).Pending.Add(new Change(number, ChangeKind.Resize, operation.A, default, "", null));
                break;
            case OperationKind.Truncate:
                Change(operation.A, default, ChangeKind.Resize);
                break;
            case OperationKind.Extend:
                Change(operation.A, default, ChangeKind.Extend);
                break;
            case OperationKind.Rename:
                (Inode source, string sourceName) = FolderOf(operation.Path);
                (Inode target, string targetName) = FolderOf(operation.SecondPath);
                Inode moved = source.Entries[sourceName];
                source.Remove(number, sourceName);
                target.Add(number, targetName, moved);
                break;
            case OperationKind.Unlink or OperationKind.RemoveDirectory:
                (Inode from, string removed) = FolderOf(operation.Path);
                from.Remove(number, removed);
                break;
            case OperationKind.MakeDirectory:
                (Inode into, string made) = FolderOf(operation.Path);
                into.Add(number, made, new Inode(isFolder: true));
                break;
            case OperationKind.Link:
                (Inode linked, string link) = FolderOf(operation.SecondPath);
                linked.Add(number, link, Find(operation.Path));
                break;
            case OperationKind.SymbolicLink:
                (Inode holder, string symbolic) = FolderOf(operation.Path);
                holder.Add(number, symbolic, new Inode(isFolder: false) { LinkTarget = operation.SecondPath });
                break;
            case OperationKind.Sync:
                Sync(_open[descriptor].Inode);
                break;
            case OperationKind.SyncAll or OperationKind.Unsupported:
                throw new NotSupportedException($"Operation {number} cannot be modelled: {operation.Kind} {operation.Path}.");
            default:
                throw new InvalidDataException($"Operation {number} has the unknown kind {operation.Kind}.");
        }

        void Change(long position, ReadOnlyMemory<byte> data, ChangeKind kind)
        {
            (Inode inode, bool synchronous) = _open[descriptor];
            inode.Pending.Add(new Change(number, kind, position, data, "", null));
            if (synchronous)
                Sync(inode);
        }

        void Sync(Inode inode)
        {
            Syncs[number] = inode;
            if (!_ignoresSync(number))
                inode.MakeDurable();
        }
    }

    private Inode Open(int number, Operation operation)
    {
        if (operation.Path == _root)
            return _top;
        (Inode folder, string name) = FolderOf(operation.Path);
        if (!folder.Entries.TryGetValue(name, out Inode? inode))
        {
            if ((operation.A & Creating) == 0)
                throw new InvalidDataException($"Operation {number} opens {operation.Path}, which nothing recorded made.");
            inode = new Inode(isFolder: false);
            folder.Add(number, name, inode);
        }
        else if ((operation.A & Truncating) != 0)
        {
            inode.Pending.Add(new Change(number, ChangeKind.Resize, 0, default, "", null));
        }

        return inode;
    }

    private Inode Find(string path)
    {
        Inode inode = _top;
        foreach (string name in Parts(path))
            inode = inode.Entries[name];
        return inode;
    }

    private (Inode Folder, string Name) FolderOf(string path)
    {
        string[] parts = Parts(path);
        Inode folder = _top;
        foreach (string name in parts.SkipLast(1))
            folder = folder.Entries[name];
        return (folder, parts[^1]);
    }

    private string[] Parts(string path) =>
        Path.GetRelativePath(_root, Path.GetFullPath(path)).Split('/').Where(p => p is not ("." or "")).ToArray();

    internal enum ChangeKind
    {
        Write,
        Resize,
        Extend,
        AddName,
        RemoveName,
    }

    internal sealed record Change(int Number, ChangeKind Kind, long Position, ReadOnlyMemory<byte> Data, string Name, Inode? Child);

    /// <summary>A file or folder: what is bound to be there, and what is pending, in order.</summary>
    internal sealed class Inode(bool isFolder)
    {
        private readonly Dictionary<string, Inode> _durableNames = [];
        private byte[] _durable = [];
        private byte[]? _durableDigest;
        private Inode? _parent;
        private string _name = "";

        public bool IsFolder { get; } = isFolder;

        public string? LinkTarget { get; init; }

        /// <summary>The names as the running system sees them.</summary>
        public Dictionary<string, Inode> Entries { get; } = [];

        public List<Change> Pending { get; } = [];

        public IReadOnlyDictionary<string, Inode> DurableNames => _durableNames;

        public byte[] DurableDigest => _durableDigest ??= SHA256.HashData(_durable);

        /// <summary>The last name it had, below the recorded root.</summary>
        public string LastPath => _parent is null ? "" : _parent.LastPath.Length == 0 ? _name : _parent.LastPath + "/" + _name;

        public void Add(int number, string name, Inode child)
        {
            Entries[name] = child;
            child._parent = this;
            child._name = name;
            Pending.Add(new Change(number, ChangeKind.AddName, 0, default, name, child));
        }

        public void Remove(int number, string name)
        {
            Entries.Remove(name);
            Pending.Add(new Change(number, ChangeKind.RemoveName, 0, default, name, null));
        }

        public void MakeDurable()
        {
            if (IsFolder)
                ApplyNames(_durableNames, (_, _) => true);
            else
                (_durable, _durableDigest) = (Contents((_, _) => true), null);
            Pending.Clear();
        }

        public Dictionary<string, Inode> Names(Func<int, int, bool> keeps)
        {
            var names = new Dictionary<string, Inode>(_durableNames);
            ApplyNames(names, keeps);
            return names;
        }

        public byte[] Contents(Func<int, int, bool> keeps)
        {
            if (Pending.Count == 0)
                return _durable;
            byte[] contents = _durable.Length == 0 ? [] : (byte[])_durable.Clone();
            foreach (Change change in Pending)
            {
                if (change.Kind == ChangeKind.Write)
                    Write(change);
                else if (keeps(change.Number, 0) && (change.Kind == ChangeKind.Resize || change.Position > contents.Length))
                    Array.Resize(ref contents, checked((int)change.Position));
            }

            return contents;

            void Write(Change change)
            {
                for (int at = 0, sector = 0; at < change.Data.Length; sector++)
                {
                    // Sectors of the file, not of the write.
                    int size = Math.Min(change.Data.Length - at, SectorBytes - (int)((change.Position + at) % SectorBytes));
                    if (keeps(change.Number, sector))
                    {
                        int end = checked((int)(change.Position + at + size));
                        if (contents.Length < end)
                            Array.Resize(ref contents, end);
                        change.Data.Span.Slice(at, size).CopyTo(contents.AsSpan((int)(change.Position + at)));
                    }

                    at += size;
                }
            }
        }

        private void ApplyNames(Dictionary<string, Inode> names, Func<int, int, bool> keeps)
        {
            foreach (Change change in Pending.Where(c => keeps(c.Number, 0)))
            {
                if (change.Kind == ChangeKind.AddName)
                    names[change.Name] = change.Child!;
                else
                    names.Remove(change.Name);
            }
        }
    }
}
