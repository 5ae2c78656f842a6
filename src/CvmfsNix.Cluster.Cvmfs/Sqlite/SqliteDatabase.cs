using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using SQLitePCL;

namespace CvmfsNix.Cluster.Cvmfs.Sqlite;

/// <summary>
/// A SQLite connection on the native interface: the formats keep file names as TEXT of arbitrary bytes, which the ADO.NET provider cannot carry,
/// and finished databases are taken out of memory. Thread-safe in SQLite's serialised mode, as long as every thread rents its own statements.
/// </summary>
internal sealed class SqliteDatabase : IDisposable
{
    private const int HeaderBytes = 100;

    // Of one value or row in a file that is only read: an encoded list of attributes has at most 130 kB, and nothing else is near that.
    private const int ReadValueBytesMax = 1 << 20;

    // A row takes some fifty bytes and as many steps of SQLite's machine, twice that when it is sorted.
    private const long StepsPerByte = 20;
    private const long StepsMin = 1_000_000;
    private const int StepsBetweenLooks = 1000;

    private static readonly object InitLock = new();

    // Counted per thread, as the callback runs on the thread that asked; every call into SQLite sets it first.
    [ThreadStatic]
    private static long stepsLeft;

    private static bool initialised;

    private readonly sqlite3 _handle;
    private readonly Func<string, Exception> _fault;
    private readonly ConcurrentDictionary<string, ConcurrentBag<SqliteStatement>> _idle = new(StringComparer.Ordinal);
    private long _stepsMax = long.MaxValue;
    private int _disposed;

    private SqliteDatabase(sqlite3 handle, Func<string, Exception> fault)
    {
        _handle = handle;
        _fault = fault;
    }

    /// <summary>Empty database in memory.</summary>
    public static SqliteDatabase CreateInMemory(Func<string, Exception> fault) =>
        Open(":memory:", raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE | raw.SQLITE_OPEN_FULLMUTEX, fault);

    /// <summary>Opens a file after a look at its header.</summary>
    /// <param name="file">Path.</param>
    /// <param name="readOnly">Read-only takes the file as unchanging: no locks, no journal beside it.</param>
    /// <param name="fault">Makes the exception for content that is bad.</param>
    public static SqliteDatabase OpenFile(string file, bool readOnly, Func<string, Exception> fault)
    {
        CheckHeader(file, fault);
        SqliteDatabase database;
        if (readOnly)
        {
            var uri = "file:" + Uri.EscapeDataString(Path.GetFullPath(file)).Replace("%2F", "/", StringComparison.Ordinal) + "?immutable=1";
            database = Open(uri, raw.SQLITE_OPEN_READONLY | raw.SQLITE_OPEN_URI | raw.SQLITE_OPEN_FULLMUTEX, fault);
            database.Bound(new FileInfo(file).Length);
        }
        else
        {
            database = Open(Path.GetFullPath(file), raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_FULLMUTEX, fault);
        }

        try
        {
            // Foreign files must not run anything of their own.
            database.Execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;");
            if (database.Any("SELECT 1 FROM sqlite_master WHERE type NOT IN ('table','index')") || database.Any("SELECT 1 FROM pragma_table_list WHERE schema='main' AND type<>'table'"))
            {
                throw fault("it holds views, triggers or virtual tables");
            }

            if (database.Any("SELECT 1 FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c WHERE t.schema='main' AND c.hidden<>0")) throw fault("it holds computed columns");
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>Runs statements without results.</summary>
    public void Execute(string sql)
    {
        stepsLeft = _stepsMax;
        var code = raw.sqlite3_exec(_handle, sql);
        if (code != raw.SQLITE_OK) throw Fail(code);
    }

    /// <summary>Compiles a statement that the caller disposes.</summary>
    public SqliteStatement Prepare(string sql)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        stepsLeft = _stepsMax;
        var code = raw.sqlite3_prepare_v2(_handle, sql, out var statement);
        return code == raw.SQLITE_OK ? new SqliteStatement(this, statement, null) : throw Fail(code);
    }

    /// <summary>A statement from the pool; disposing it puts it back.</summary>
    public SqliteStatement Rent(string sql)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);
        var idle = _idle.GetOrAdd(sql, _ => []);
        if (idle.TryTake(out var known)) return known;
        stepsLeft = _stepsMax;
        var code = raw.sqlite3_prepare_v2(_handle, sql, out var statement);
        return code == raw.SQLITE_OK ? new SqliteStatement(this, statement, idle) : throw Fail(code);
    }

    /// <summary>True when there is such a table.</summary>
    public bool HasTable(string name)
    {
        using var statement = Rent("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?1");
        statement.Text(1, Encoding.UTF8.GetBytes(name));
        return statement.Step();
    }

    /// <summary>Lower-case names of a table's columns.</summary>
    public HashSet<string> Columns(string table)
    {
        var columns = new HashSet<string>(StringComparer.Ordinal);
        using var statement = Prepare($"SELECT lower(name) FROM pragma_table_info('{table}')");
        while (statement.Step()) columns.Add(statement.String(0));
        return columns;
    }

    /// <summary>Steps that one run of a statement may take. Pages of a foreign file may lead to one another in ways that never end.</summary>
    public long StepsMax => _stepsMax;

    /// <summary>Runs a statement to its next row and counts down what it may still take.</summary>
    public static int Step(sqlite3_stmt statement, ref long left)
    {
        stepsLeft = left;
        var code = raw.sqlite3_step(statement);
        left = stepsLeft;
        return code;
    }

    /// <summary>Rows changed by the last statement.</summary>
    public int Changes() => raw.sqlite3_changes(_handle);

    /// <summary>The whole database as a file would hold it, header normalised.</summary>
    public byte[] Serialize()
    {
        var start = raw.sqlite3_serialize(_handle, "main", out var size, 0);
        if (start == IntPtr.Zero) throw new InvalidOperationException("SQLite could not put the database into one piece of memory.");
        try
        {
            var bytes = new byte[size];
            Marshal.Copy(start, bytes, 0, bytes.Length);
            NormaliseHeader(bytes, size);
            return bytes;
        }
        finally
        {
            raw.sqlite3_free(start);
        }
    }

    /// <summary>
    /// Makes the first 100 bytes say nothing about history: rollback-journal format, page count, change counter and the counter it is valid for,
    /// library version. The equal counters also make the page count count.
    /// </summary>
    public static void NormaliseHeader(Span<byte> header, long fileBytes)
    {
        const uint counter = 1;
        const uint libraryVersion = 3_040_000;
        int pageSize = System.Buffers.Binary.BinaryPrimitives.ReadUInt16BigEndian(header[16..]);
        if (pageSize == 1) pageSize = 65536;
        header[18] = 1;
        header[19] = 1;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(header[24..], counter);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(header[28..], (uint)(fileBytes / pageSize));
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(header[92..], counter);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(header[96..], libraryVersion);
    }

    /// <summary>The exception for a result code of this connection.</summary>
    public Exception Fail(int code)
    {
        var text = raw.sqlite3_errmsg(_handle).utf8_to_string();
        return (code & 0xFF) switch
        {
            raw.SQLITE_IOERR or raw.SQLITE_FULL or raw.SQLITE_CANTOPEN or raw.SQLITE_NOMEM or raw.SQLITE_BUSY or raw.SQLITE_LOCKED or raw.SQLITE_READONLY =>
                new IOException($"SQLite cannot go on: {text} (code {code})."),
            raw.SQLITE_INTERRUPT => _fault("reading it takes more steps than a file of its size can need"),
            _ => _fault($"SQLite says: {text} (code {code})"),
        };
    }

    /// <summary>The exception for bad content.</summary>
    public Exception Fault(string what) => _fault(what);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        foreach (var idle in _idle.Values)
        {
            while (idle.TryTake(out var statement)) statement.Close();
        }

        // The "v2" close waits for statements that are still out.
        raw.sqlite3_close_v2(_handle);
    }

    /// <summary>Takes a statement back; false when there is no pool any more.</summary>
    internal bool TakeBack(SqliteStatement statement, ConcurrentBag<SqliteStatement> idle)
    {
        if (Volatile.Read(ref _disposed) != 0) return false;
        idle.Add(statement);
        return true;
    }

    private void Bound(long fileBytes)
    {
        _ = raw.sqlite3_limit(_handle, raw.SQLITE_LIMIT_LENGTH, ReadValueBytesMax);
        _stepsMax = StepsMin + (fileBytes * StepsPerByte);
        raw.sqlite3_progress_handler(_handle, StepsBetweenLooks, _ => (stepsLeft -= StepsBetweenLooks) < 0 ? 1 : 0, null);
    }

    private bool Any(string sql)
    {
        using var statement = Prepare(sql);
        return statement.Step();
    }

    private static SqliteDatabase Open(string name, int flags, Func<string, Exception> fault)
    {
        lock (InitLock)
        {
            if (!initialised) Batteries_V2.Init();
            initialised = true;
        }

        var code = raw.sqlite3_open_v2(name, out var handle, flags, null);
        var database = new SqliteDatabase(handle, fault);
        if (code == raw.SQLITE_OK) return database;
        var failure = database.Fail(code);
        database.Dispose();
        throw failure;
    }

    private static void CheckHeader(string file, Func<string, Exception> fault)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
        if (stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes || !header.StartsWith("SQLite format 3\0"u8)) throw fault("it is no SQLite file");
        if (header[18] != 1 || header[19] != 1) throw fault("it is in write-ahead-log format, which stock clients cannot open");
        if (System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(header[56..]) > 1) throw fault("its text is not UTF-8");
    }
}
