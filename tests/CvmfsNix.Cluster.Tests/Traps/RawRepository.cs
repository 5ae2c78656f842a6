using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>A repository folder looked at with nothing of ours: bytes, the platform's inflater, and SQL.</summary>
internal sealed class RawRepository
{
    private readonly string _folder;

    public RawRepository(string folder, byte[]? manifest = null)
    {
        _folder = folder;
        ManifestBytes = manifest ?? Bytes(".cvmfspublished");
        Manifest = Body(ManifestBytes).Split('\n', StringSplitOptions.RemoveEmptyEntries).ToDictionary(line => line[0], line => line[1..]);
    }

    public byte[] ManifestBytes { get; }

    /// <summary>Values by key letter.</summary>
    public IReadOnlyDictionary<char, string> Manifest { get; }

    /// <summary>Names of all objects, as in <c>ab/cdef…C</c>.</summary>
    public IEnumerable<string> ObjectPaths => Directory.EnumerateFiles(Path.Combine(_folder, "data"), "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Path.Combine(_folder, "data"), f));

    public byte[] Bytes(string path) => File.ReadAllBytes(Path.Combine(_folder, path));

    public bool Has(string path) => File.Exists(Path.Combine(_folder, path));

    public byte[] Stored(string hash, string suffix) => Bytes($"data/{hash[..2]}/{hash[2..]}{suffix}");

    public RawDatabase Tags() => new("", Inflate(Stored(Manifest['H'], "H")), 0);

    /// <summary>Every catalog of the revision, a parent before its children.</summary>
    public IEnumerable<RawDatabase> Catalogs() => Below("", Manifest['C'], long.Parse(Manifest['B'], CultureInfo.InvariantCulture));

    public static byte[] Inflate(byte[] stored)
    {
        using var zlib = new ZLibStream(new MemoryStream(stored), CompressionMode.Decompress);
        using var plain = new MemoryStream();
        zlib.CopyTo(plain);
        return plain.ToArray();
    }

    /// <summary>The hash text a signed file prints behind its separator, and the signature behind that.</summary>
    public static (string Hash, byte[] Signature) Envelope(byte[] file)
    {
        int start = file.AsSpan().IndexOf("\n--\n"u8) + 4;
        int end = start + file.AsSpan(start).IndexOf((byte)'\n');
        return (Encoding.ASCII.GetString(file, start, end - start), file[(end + 1)..]);
    }

    /// <summary>The lines in front of the separator.</summary>
    public static string Body(byte[] file) => Encoding.ASCII.GetString(file, 0, file.AsSpan().IndexOf("\n--\n"u8) + 1);

    private IEnumerable<RawDatabase> Below(string path, string hash, long size)
    {
        using var catalog = new RawDatabase(path, Inflate(Stored(hash, "C")), size);
        yield return catalog;
        foreach (object?[] nested in catalog.Rows("SELECT path, sha1, size FROM nested_catalogs"))
        {
            foreach (RawDatabase below in Below((string)nested[0]!, (string)nested[1]!, (long)nested[2]!))
                yield return below;
        }
    }
}

/// <summary>A SQLite file asked by SQL.</summary>
internal sealed class RawDatabase : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"trap-{Guid.NewGuid():N}.sqlite");
    private readonly SqliteConnection _connection;

    /// <param name="path">Where it is mounted.</param>
    /// <param name="bytes">The file.</param>
    /// <param name="sizeSaid">Its size by whoever refers to it.</param>
    public RawDatabase(string path, byte[] bytes, long sizeSaid)
    {
        (MountedAt, FileBytes, SizeSaid) = (path, bytes, sizeSaid);
        File.WriteAllBytes(_file, bytes);
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _file, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        _connection.Open();
    }

    public string MountedAt { get; }

    public byte[] FileBytes { get; }

    public long SizeSaid { get; }

    public List<object?[]> Rows(string sql, params object[] values)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        for (int i = 0; i < values.Length; i++)
            command.Parameters.AddWithValue($"${i + 1}", values[i]);
        using SqliteDataReader reader = command.ExecuteReader();
        List<object?[]> rows = [];
        while (reader.Read())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : reader.GetValue(i))]);
        return rows;
    }

    public long Number(string sql, params object[] values) => Convert.ToInt64(Rows(sql, values)[0][0], CultureInfo.InvariantCulture);

    public string? Property(string key) => Rows("SELECT CAST(value AS TEXT) FROM properties WHERE key=$1", key) is [[string value]] ? value : null;

    /// <summary>The halves of a path's MD5 as the machine's little-endian order gives them.</summary>
    public static (long High, long Low) Key(string path)
    {
        byte[] digest = MD5.HashData(Encoding.UTF8.GetBytes(path));
        return (System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(digest), System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(digest.AsSpan(8)));
    }

    /// <summary>Path and row (as of <paramref name="columns"/>) of everything below and including the directory the catalog holds.</summary>
    public List<(string Path, object?[] Row)> Tree(string columns)
    {
        List<(string, object?[])> found = [];
        Visit(MountedAt);
        return found;

        void Visit(string path)
        {
            (long high, long low) = Key(path);
            found.Add((path, Assert1(Rows($"SELECT {columns} FROM catalog WHERE md5path_1=$1 AND md5path_2=$2", high, low), path)));
            foreach (object?[] child in Rows("SELECT name FROM catalog WHERE parent_1=$1 AND parent_2=$2 ORDER BY name", high, low))
                Visit($"{path}/{child[0]}");
        }

        static object?[] Assert1(List<object?[]> rows, string path) => rows is [var row] ? row : throw new InvalidOperationException($"'{path}' has {rows.Count} rows under the key of its path.");
    }

    public void Dispose()
    {
        _connection.Dispose();
        File.Delete(_file);
    }
}
