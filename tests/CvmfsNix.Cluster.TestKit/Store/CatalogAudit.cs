using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.TestKit.Store;

/// <summary>
/// Checks a repository folder by the rules of the stock checker: what an entry may be, how the two rows of a transition point agree,
/// link counts, markers, and all 24 counters recounted. Shares no code with what it checks: raw SQL over inflated files.
/// </summary>
public sealed class CatalogAudit
{
    private static readonly string[] Counters =
    [
        "regular", "symlink", "special", "dir", "nested", "chunked", "chunks", "file_size", "chunked_size", "xattr", "external", "external_file_size",
    ];

    private readonly string _folder;
    private readonly List<string> _findings = [];
    private readonly HashSet<string> _objects = [];

    private CatalogAudit(string folder) => _folder = folder;

    /// <summary>What is wrong; empty when the repository is good.</summary>
    public IReadOnlyList<string> Findings => _findings;

    /// <summary>Catalogs visited.</summary>
    public int Catalogs { get; private set; }

    /// <summary>Rows in all catalogs.</summary>
    public int Entries { get; private set; }

    /// <summary>Relative paths of every object that the revision needs.</summary>
    public IReadOnlySet<string> Objects => _objects;

    /// <summary>Audits the revision that <c>.cvmfspublished</c> names, or that of another root catalog.</summary>
    public static CatalogAudit Run(string repositoryFolder, string? rootHash = null, long? rootSize = null)
    {
        var audit = new CatalogAudit(repositoryFolder);
        Dictionary<char, string> manifest = audit.ReadManifest();
        audit.AuditCatalog("", rootHash ?? manifest['C'], rootSize ?? long.Parse(manifest['B'], CultureInfo.InvariantCulture), null);
        if (rootHash is null)
        {
            audit.NeedObject(manifest['X'], "X", "the manifest");
            audit.NeedObject(manifest['H'], "H", "the manifest");
            audit.AuditTags(manifest['H'], manifest['C'], manifest['S']);
            if (audit._rootRevision != manifest['S'])
                audit.Report("", $"the root catalog's revision {audit._rootRevision} is not the manifest's S {manifest['S']}");
            if (long.Parse(audit._rootModified!, CultureInfo.InvariantCulture) > long.Parse(manifest['T'], CultureInfo.InvariantCulture))
                audit.Report("", "the root catalog is newer than the manifest's T");
        }

        return audit;
    }

    private string? _rootRevision;
    private string? _rootModified;

    private Dictionary<char, string> ReadManifest()
    {
        var values = new Dictionary<char, string>();
        foreach (string line in Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(_folder, ".cvmfspublished"))).Split('\n').TakeWhile(l => l != "--"))
            values[line[0]] = line[1..];
        return values;
    }

    private Dictionary<string, long> AuditCatalog(string path, string hash, long size, Row? transition)
    {
        Catalogs++;
        string file = Path.Combine(Path.GetTempPath(), $"audit-{Guid.NewGuid():N}.sqlite");
        try
        {
            byte[] bytes = Inflate(NeedObject(hash, "C", path.Length == 0 ? "the root" : path));
            if (bytes.Length != size)
                Report(path, $"the catalog has {bytes.Length} bytes, its reference says {size}");
            if (bytes[18] != 1 || bytes[19] != 1)
                Report(path, "the file is not in rollback-journal format");
            File.WriteAllBytes(file, bytes);
            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
            connection.Open();
            return AuditCatalog(path, connection, transition);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private Dictionary<string, long> AuditCatalog(string path, SqliteConnection connection, Row? transition)
    {
        Dictionary<string, string> properties = Pairs(connection, "SELECT key, CAST(value AS TEXT) FROM properties");
        if (path.Length == 0)
        {
            _rootRevision = properties["revision"];
            _rootModified = properties["last_modified"];
            if (properties.ContainsKey("root_prefix"))
                Report(path, "the root catalog has a root_prefix");
        }
        else if (properties.GetValueOrDefault("root_prefix") != path)
        {
            Report(path, $"root_prefix is {properties.GetValueOrDefault("root_prefix")}");
        }

        if (properties.ContainsKey("previous_revision"))
            Report(path, "there is a previous_revision");

        List<Row> rows = Rows(connection);
        Entries += rows.Count;
        Dictionary<(long, long), List<(long Offset, long Size, string Hash)>> chunks = Chunks(connection);
        Dictionary<string, (string Hash, long Size)> nested = Nested(connection);
        ILookup<(long, long), Row> children = rows.ToLookup(r => r.Parent);
        Dictionary<string, long> self = Counters.ToDictionary(c => c, _ => 0L);
        Dictionary<string, long> subtree = Counters.ToDictionary(c => c, _ => 0L);
        if (rows.SingleOrDefault(r => r.Key == Md5(path)) is not { } root)
        {
            Report(path, "there is no root row");
            return self;
        }

        if (!root.IsDirectory || (root.Flags & 32) != 0 != path.Length > 0)
            Report(path, "the root row is no directory, or its flag 32 is wrong");
        if (root.Parent != (path.Length == 0 ? (0L, 0L) : Md5(ParentOf(path))))
            Report(path, "the root row has another parent");
        if (transition is not null)
            Agree(path, transition, root);
        bool hasMarker = children[root.Key].Any(c => c.NameText == ".cvmfscatalog");
        if (path.Length > 0 && !hasMarker)
            Report(path, "the nested root has no marker");

        int reached = 0, mountPoints = 0;
        Visit(path, root);
        if (reached != rows.Count)
            Report(path, $"{rows.Count} rows, {reached} reached from the root row");
        if (mountPoints != nested.Count)
            Report(path, $"{nested.Count} nested catalogs are registered, {mountPoints} rows say so");
        self["nested"] = nested.Count;
        self["chunks"] = chunks.Values.Sum(c => c.Count);
        foreach ((string at, (string hash, long size)) in nested)
        {
            Row? row = rows.SingleOrDefault(r => r.Key == Md5(at));
            if (row is null || (row.Flags & 2) == 0)
                Report(at, "registered as nested, but there is no such transition row");
            foreach ((string counter, long value) in AuditCatalog(at, hash, size, row))
                subtree[counter] += value;
        }

        Dictionary<string, string> stored = Pairs(connection, "SELECT counter, CAST(value AS TEXT) FROM statistics");
        foreach (string counter in Counters)
        {
            Compare("self_" + counter, self[counter]);
            Compare("subtree_" + counter, subtree[counter]);
        }

        return Counters.ToDictionary(c => c, c => self[c] + subtree[c]);

        void Compare(string counter, long counted)
        {
            if (stored.GetValueOrDefault(counter) != counted.ToString(CultureInfo.InvariantCulture))
                Report(path, $"{counter} is {stored.GetValueOrDefault(counter) ?? "missing"}, counted {counted}");
        }

        void Visit(string at, Row row)
        {
            reached++;
            self["xattr"] += row.HasXattr ? 1 : 0;
            if (row.LinkCount == 0)
                Report(at, "link count 0");
            List<(long Offset, long Size, string Hash)> parts = chunks.GetValueOrDefault(row.Key, []);
            switch (row.Mode & 0xF000)
            {
                case 0x4000:
                    self["dir"]++;
                    VisitDirectory(at, row);
                    break;
                case 0x8000:
                    self["regular"]++;
                    self["file_size"] += row.Size;
                    VisitFile(at, row, parts);
                    break;
                case 0xA000:
                    self["symlink"]++;
                    if (row.Hash is not null || row.Symlink.Length == 0 || (row.Flags & 12) != 12)
                        Report(at, "a symbolic link with a hash, without a target or with wrong flags");
                    break;
                default:
                    Report(at, $"mode {row.Mode} is no type of ours");
                    break;
            }

            if (parts.Count > 0 && (row.Flags & 64) == 0)
                Report(at, "chunks of a file that is not chunked");
        }

        void VisitDirectory(string at, Row row)
        {
            if ((row.Flags & 1) == 0 || row.HardlinkGroup != 0 || row.Hash is not null)
                Report(at, "a directory with wrong flags, a hard link group or a hash");
            Row[] inside = [.. children[row.Key]];
            if ((row.Flags & 2) != 0)
            {
                mountPoints++;
                if (!nested.ContainsKey(at) || inside.Length > 0)
                    Report(at, "a mount point that is not registered or has children here");
                return;
            }

            int directories = inside.Count(c => c.IsDirectory);
            if (row.LinkCount != 2 + directories)
                Report(at, $"link count {row.LinkCount}, {directories} directories inside");
            foreach (Row child in inside)
            {
                string childPath = at + "/" + child.NameText;
                if (child.Name.Length == 0 || child.Key != Md5(at, child.Name))
                    Report(childPath, "the name is empty or does not lead to the row's key");
                if (child.NameText == ".cvmfscatalog" && at != path)
                    Report(childPath, "a marker outside the root of a catalog");
                Visit(childPath, child);
            }
        }

        void VisitFile(string at, Row row, List<(long Offset, long Size, string Hash)> parts)
        {
            if ((row.Flags & 4) == 0 || row.LinkCount != 1)
                Report(at, "a regular file with wrong flags or link count");
            string algorithm = (row.Flags & 0x700) switch { 0 => "", 0x200 => "-shake128", _ => "?" };
            if ((row.Flags & 64) == 0)
            {
                if (row.Hash is null)
                    Report(at, "a whole file without a hash");
                else
                    NeedObject(row.Hash + algorithm, "", at);
                return;
            }

            self["chunked"]++;
            self["chunked_size"] += row.Size;
            long offset = 0;
            foreach ((long partOffset, long partSize, string hash) in parts)
            {
                if (partOffset != offset)
                    Report(at, $"a chunk at {partOffset} instead of {offset}");
                offset += partSize;
                NeedObject(hash + algorithm, "P", at);
            }

            if (parts.Count == 0 || offset != row.Size)
                Report(at, $"chunks end at {offset} of {row.Size}");
        }
    }

    private void AuditTags(string hash, string rootHash, string revision)
    {
        string file = Path.Combine(Path.GetTempPath(), $"audit-{Guid.NewGuid():N}.sqlite");
        try
        {
            File.WriteAllBytes(file, Inflate(NeedObject(hash, "H", "the manifest")));
            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
            connection.Open();
            Dictionary<string, string> tags = Pairs(connection, "SELECT name, hash || ' ' || revision || ' ' || branch FROM tags");
            if (tags.GetValueOrDefault("trunk") != $"{rootHash} {revision} ")
                Report("tags", $"trunk is {tags.GetValueOrDefault("trunk")}");
            if (Pairs(connection, "SELECT branch, CAST(initial_revision AS TEXT) FROM branches").Count != 1)
                Report("tags", "there must be one branch");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private void Agree(string path, Row parent, Row child)
    {
        if ((parent.Flags & 2) == 0 || parent.NameText != child.NameText || parent.LinkCount != child.LinkCount || parent.HardlinkGroup != child.HardlinkGroup
            || parent.Size != child.Size || parent.Mode != child.Mode || parent.ModifiedAt != child.ModifiedAt || parent.Hash != child.Hash || parent.HasXattr != child.HasXattr)
        {
            Report(path, "the transition row and the nested root row differ");
        }
    }

    private byte[] NeedObject(string hash, string suffix, string who)
    {
        string name = $"data/{hash[..2]}/{hash[2..]}{suffix}";
        _objects.Add(name);
        string file = Path.Combine(_folder, name);
        if (!File.Exists(file))
        {
            Report(who, $"object {name} is missing");
            return [];
        }

        byte[] stored = File.ReadAllBytes(file);
        byte[] digest = hash.EndsWith("-shake128", StringComparison.Ordinal) ? Shake128.HashData(stored, 20) : SHA1.HashData(stored);
        if (Convert.ToHexStringLower(digest) != hash[..40])
            Report(who, $"object {name} does not hold what its name says");
        return stored;
    }

    private void Report(string path, string problem) => _findings.Add($"{(path.Length == 0 ? "/" : path)}: {problem}");

    private static byte[] Inflate(byte[] stored)
    {
        using var zlib = new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        zlib.CopyTo(plain);
        return plain.ToArray();
    }

    private static string ParentOf(string path) => path[..path.LastIndexOf('/')];

    private static (long High, long Low) Md5(string path) => Md5(Encoding.UTF8.GetBytes(path));

    private static (long High, long Low) Md5(string parent, byte[] name) => Md5([.. Encoding.UTF8.GetBytes(parent), (byte)'/', .. name]);

    private static (long High, long Low) Md5(byte[] path)
    {
        byte[] digest = MD5.HashData(path);
        return (BitConverter.ToInt64(digest, 0), BitConverter.ToInt64(digest, 8));
    }

    private static Dictionary<string, string> Pairs(SqliteConnection connection, string sql)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using SqliteDataReader row = command.ExecuteReader();
        var pairs = new Dictionary<string, string>();
        while (row.Read())
            pairs.Add(row.GetString(0), row.GetString(1));
        return pairs;
    }

    private static List<Row> Rows(SqliteConnection connection)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, flags, CAST(name AS BLOB), CAST(symlink AS BLOB), xattr IS NOT NULL FROM catalog";
        using SqliteDataReader row = command.ExecuteReader();
        var rows = new List<Row>();
        while (row.Read())
        {
            long links = row.GetInt64(4);
            rows.Add(new Row(
                (row.GetInt64(0), row.GetInt64(1)),
                (row.GetInt64(2), row.GetInt64(3)),
                links & 0xffffffff,
                links >> 32,
                row.IsDBNull(5) ? null : Convert.ToHexStringLower(row.GetFieldValue<byte[]>(5)),
                row.GetInt64(6),
                row.GetInt64(7),
                row.GetInt64(8),
                row.GetInt64(9),
                row.GetFieldValue<byte[]>(10),
                row.GetFieldValue<byte[]>(11),
                row.GetInt64(12) != 0));
        }

        return rows;
    }

    private static Dictionary<(long, long), List<(long Offset, long Size, string Hash)>> Chunks(SqliteConnection connection)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT md5path_1, md5path_2, offset, size, hash FROM chunks ORDER BY offset";
        using SqliteDataReader row = command.ExecuteReader();
        var chunks = new Dictionary<(long, long), List<(long, long, string)>>();
        while (row.Read())
        {
            (long, long) key = (row.GetInt64(0), row.GetInt64(1));
            if (!chunks.TryGetValue(key, out List<(long, long, string)>? list))
                chunks.Add(key, list = []);
            list.Add((row.GetInt64(2), row.GetInt64(3), Convert.ToHexStringLower(row.GetFieldValue<byte[]>(4))));
        }

        return chunks;
    }

    private static Dictionary<string, (string Hash, long Size)> Nested(SqliteConnection connection)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT path, sha1, size FROM nested_catalogs";
        using SqliteDataReader row = command.ExecuteReader();
        var nested = new Dictionary<string, (string, long)>();
        while (row.Read())
            nested.Add(row.GetString(0), (row.GetString(1), row.GetInt64(2)));
        return nested;
    }

    private sealed record Row(
        (long, long) Key, (long, long) Parent, long LinkCount, long HardlinkGroup, string? Hash, long Size, long Mode, long ModifiedAt, long Flags, byte[] Name, byte[] Symlink, bool HasXattr)
    {
        public bool IsDirectory => (Mode & 0xF000) == 0x4000;

        public string NameText => Encoding.UTF8.GetString(Name);
    }
}
