using System.Collections.Concurrent;
using System.Text;
using SQLitePCL;

namespace CvmfsNix.Cluster.Cvmfs.Sqlite;

/// <summary>A compiled statement. Parameters count from 1, columns from 0. Spans of columns are good until the next step.</summary>
internal sealed class SqliteStatement(SqliteDatabase database, sqlite3_stmt handle, ConcurrentBag<SqliteStatement>? pool) : IDisposable
{
    private long _stepsLeft = database.StepsMax;

    public SqliteStatement Integer(int parameter, long value)
    {
        Check(raw.sqlite3_bind_int64(handle, parameter, value));
        return this;
    }

    /// <summary>Binds TEXT from raw bytes, valid UTF-8 or not; empty stays empty text and does not become NULL.</summary>
    public SqliteStatement Text(int parameter, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_text(handle, parameter, "") : raw.sqlite3_bind_text(handle, parameter, value));
        return this;
    }

    public SqliteStatement Text(int parameter, string value) => Text(parameter, Encoding.UTF8.GetBytes(value));

    /// <summary>Binds a blob that is not empty.</summary>
    public SqliteStatement Blob(int parameter, ReadOnlySpan<byte> value)
    {
        Check(raw.sqlite3_bind_blob(handle, parameter, value));
        return this;
    }

    public SqliteStatement Null(int parameter)
    {
        Check(raw.sqlite3_bind_null(handle, parameter));
        return this;
    }

    /// <summary>True while there is a row.</summary>
    public bool Step()
    {
        var code = SqliteDatabase.Step(handle, ref _stepsLeft);
        return code switch
        {
            raw.SQLITE_ROW => true,
            raw.SQLITE_DONE => false,
            _ => throw database.Fail(code),
        };
    }

    /// <summary>Runs to the end and makes ready for the next run.</summary>
    public void Run()
    {
        while (Step())
        {
        }

        _ = raw.sqlite3_reset(handle);
        _stepsLeft = database.StepsMax;
    }

    public bool IsNull(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_NULL;

    public bool IsBlob(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_BLOB;

    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    /// <summary>Raw bytes of a blob or text; empty for NULL.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => raw.sqlite3_column_blob(handle, column);

    public string String(int column) => Encoding.UTF8.GetString(Bytes(column));

    public void Dispose()
    {
        if (pool is null)
        {
            Close();
            return;
        }

        // A failed step was reported when it happened; reset repeats its code.
        _ = raw.sqlite3_reset(handle);
        _ = raw.sqlite3_clear_bindings(handle);
        _stepsLeft = database.StepsMax;
        if (!database.TakeBack(this, pool)) Close();
    }

    internal void Close() => _ = raw.sqlite3_finalize(handle);

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK) throw database.Fail(code);
    }
}
