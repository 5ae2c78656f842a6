using System.Buffers.Binary;
using SQLitePCL;

namespace CvmfsNix.Cluster.Verify.Sqlite;

/// <summary>
/// A SQLite file on the native interface. A foreign file is opened read-only as unchanging, is not trusted to run anything of its own, and is
/// looked through once before anything is asked of it. Not thread-safe, apart from the interruption.
/// </summary>
internal sealed class Database : IDisposable
{
    private const int HeaderBytes = 100;

    // Longest single value; a file name, a link target or an attribute blob is far shorter.
    private const int ValueBytesMax = 16 * 1024 * 1024;

    // sqlite3_limit's name for it.
    private const int LimitLength = 0;
    private static readonly Lock InitLock = new();
    private static bool initialised;

    private readonly sqlite3 _handle;
    private readonly Func<string, Exception> _fault;
    private readonly Dictionary<string, Stack<Statement>> _idle = new(StringComparer.Ordinal);
    private CancellationTokenRegistration _interruption;
    private CancellationToken _cancellation;
    private bool _disposed;

    private Database(sqlite3 handle, Func<string, Exception> fault)
    {
        _handle = handle;
        _fault = fault;
    }

    /// <summary>Opens a file that came from elsewhere.</summary>
    /// <param name="file">Path.</param>
    /// <param name="unsound">Makes the exception for a file that is no sound database.</param>
    /// <param name="journalMode">Makes the exception for a file in write-ahead-log format.</param>
    public static Database OpenForeign(string file, Func<string, Exception> unsound, Func<string, Exception> journalMode)
    {
        CheckHeader(file, unsound, journalMode);
        string uri = "file:" + Uri.EscapeDataString(Path.GetFullPath(file)).Replace("%2F", "/", StringComparison.Ordinal) + "?immutable=1";
        Database database = Open(uri, raw.SQLITE_OPEN_READONLY | raw.SQLITE_OPEN_URI | raw.SQLITE_OPEN_NOMUTEX, unsound);
        try
        {
            _ = raw.sqlite3_limit(database._handle, LimitLength, ValueBytesMax);
            database.Execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA query_only=ON;");
            // What the schema says of itself first; then what SQLite makes of it, which spelling cannot hide, but which looks into what it finds.
            database.RefuseIfAny("SELECT name FROM sqlite_master WHERE type NOT IN ('table','index') OR sql LIKE 'create virtual%' LIMIT 1");
            database.RefuseIfAny("SELECT name FROM pragma_table_list WHERE schema='main' AND type<>'table' LIMIT 1");

            using Statement check = database.Rent("PRAGMA integrity_check(1)");
            if (check.Step() && !check.Bytes(0).SequenceEqual("ok"u8))
                throw unsound($"SQLite finds it damaged: {Shown.Text(check.Bytes(0))}");
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>A new file of ours for scratch data: no journal, no syncing, nothing to survive a crash.</summary>
    public static Database CreateScratch(string file)
    {
        Database database = Open(
            Path.GetFullPath(file), raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE | raw.SQLITE_OPEN_NOMUTEX, what => new IOException($"The scratch file {file} fails: {what}."));
        database.Execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-16384;");
        return database;
    }

    /// <summary>Lets a running statement end with <see cref="OperationCanceledException"/> once <paramref name="cancellationToken"/> is cancelled.</summary>
    public void InterruptBy(CancellationToken cancellationToken)
    {
        _interruption.Dispose();
        _cancellation = cancellationToken;
        _interruption = cancellationToken.Register(() => raw.sqlite3_interrupt(_handle));
    }

    /// <summary>Runs statements without results.</summary>
    public void Execute(string sql)
    {
        int code = raw.sqlite3_exec(_handle, sql);
        if (code != raw.SQLITE_OK)
            throw Fail(code);
    }

    /// <summary>A compiled statement; disposing it makes it free for the next who asks for the same text.</summary>
    public Statement Rent(string sql)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_idle.TryGetValue(sql, out Stack<Statement>? idle))
            _idle.Add(sql, idle = new Stack<Statement>());
        if (idle.TryPop(out Statement? known))
            return known;
        int code = raw.sqlite3_prepare_v2(_handle, sql, out sqlite3_stmt statement);
        return code == raw.SQLITE_OK ? new Statement(this, statement, idle) : throw Fail(code);
    }

    /// <summary>The single number a query gives; 0 for NULL.</summary>
    public long Number(string sql)
    {
        using Statement statement = Rent(sql);
        return statement.Step() ? statement.Integer(0) : 0;
    }

    /// <summary>Lower-case names of a table's columns; empty when there is no such table.</summary>
    public HashSet<string> Columns(string table)
    {
        var columns = new HashSet<string>(StringComparer.Ordinal);
        using Statement statement = Rent("SELECT lower(name) FROM pragma_table_info(?1)");
        statement.Text(1, table);
        while (statement.Step())
            columns.Add(statement.String(0));
        return columns;
    }

    /// <summary>True when an index of the table, a unique one if so wanted, begins with (or, if unique, is) these columns.</summary>
    public bool HasIndex(string table, bool unique, params string[] columns)
    {
        var names = new List<string>();
        using (Statement list = Rent("SELECT name FROM pragma_index_list(?1) WHERE partial=0 AND (\"unique\"=1 OR ?2=0)"))
        {
            list.Text(1, table).Integer(2, unique ? 1 : 0);
            while (list.Step())
                names.Add(list.String(0));
        }

        foreach (string name in names)
        {
            using Statement info = Rent("SELECT lower(name) FROM pragma_index_info(?1) ORDER BY seqno");
            info.Text(1, name);
            var found = new List<string>();
            while (info.Step())
                found.Add(info.String(0));
            if (found.Count >= columns.Length && (!unique || found.Count == columns.Length) && columns.All(found.Take(columns.Length).Contains))
                return true;
        }

        return false;
    }

    /// <summary>The exception for bad content.</summary>
    public Exception Fault(string what) => _fault(what);

    /// <summary>The exception for a result code of this connection.</summary>
    public Exception Fail(int code)
    {
        string text = raw.sqlite3_errmsg(_handle).utf8_to_string();
        return (code & 0xFF) switch
        {
            raw.SQLITE_INTERRUPT => new OperationCanceledException(_cancellation),
            raw.SQLITE_IOERR or raw.SQLITE_FULL or raw.SQLITE_CANTOPEN or raw.SQLITE_NOMEM or raw.SQLITE_BUSY or raw.SQLITE_LOCKED =>
                new IOException($"SQLite cannot go on: {text} (code {code})."),
            _ => _fault($"SQLite says: {text} (code {code})"),
        };
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _interruption.Dispose();
        foreach (Stack<Statement> idle in _idle.Values)
        {
            while (idle.TryPop(out Statement? statement))
                statement.Close();
        }

        // The "v2" close waits for statements that are still out.
        raw.sqlite3_close_v2(_handle);
    }

    /// <summary>Takes a statement back; false when there is no pool any more.</summary>
    internal bool TakeBack(Statement statement, Stack<Statement> idle)
    {
        if (_disposed)
            return false;
        idle.Push(statement);
        return true;
    }

    private void RefuseIfAny(string sql)
    {
        using Statement odd = Rent(sql);
        if (odd.Step())
            throw _fault($"it holds \"{Shown.Text(odd.Bytes(0))}\", which is neither a table nor an index");
    }

    private static Database Open(string name, int flags, Func<string, Exception> fault)
    {
        lock (InitLock)
        {
            if (!initialised)
                Batteries_V2.Init();
            initialised = true;
        }

        int code = raw.sqlite3_open_v2(name, out sqlite3 handle, flags, null);
        var database = new Database(handle, fault);
        if (code == raw.SQLITE_OK)
            return database;
        Exception failure = database.Fail(code);
        database.Dispose();
        throw failure;
    }

    private static void CheckHeader(string file, Func<string, Exception> unsound, Func<string, Exception> journalMode)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
        if (stream.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes || !header.StartsWith("SQLite format 3\0"u8))
            throw unsound("it is no SQLite file");
        if (header[18] != 1 || header[19] != 1)
            throw journalMode($"bytes 18 and 19 are {header[18]} and {header[19]} where both must be 1: it is in write-ahead-log format, which crashes stock clients");
        if (BinaryPrimitives.ReadUInt32BigEndian(header[56..]) > 1)
            throw unsound("its text is not UTF-8");
    }
}
