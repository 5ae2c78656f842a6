using System.Text;
using SQLitePCL;

namespace CvmfsNix.Cluster.Verify.Sqlite;

/// <summary>A compiled statement. Parameters count from 1, columns from 0. Spans of columns are good until the next step.</summary>
internal sealed class Statement(Database database, sqlite3_stmt handle, Stack<Statement> pool) : IDisposable
{
    public Statement Integer(int parameter, long value)
    {
        Check(raw.sqlite3_bind_int64(handle, parameter, value));
        return this;
    }

    /// <summary>Binds TEXT from raw bytes, valid UTF-8 or not; empty stays empty text.</summary>
    public Statement Text(int parameter, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_text(handle, parameter, "") : raw.sqlite3_bind_text(handle, parameter, value));
        return this;
    }

    public Statement Text(int parameter, string value) => Text(parameter, Encoding.UTF8.GetBytes(value));

    /// <summary>Binds a blob; an empty one as a blob of no bytes.</summary>
    public Statement Blob(int parameter, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty ? raw.sqlite3_bind_zeroblob(handle, parameter, 0) : raw.sqlite3_bind_blob(handle, parameter, value));
        return this;
    }

    /// <summary>True while there is a row.</summary>
    public bool Step()
    {
        int code = raw.sqlite3_step(handle);
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
    }

    public bool IsNull(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_NULL;

    public bool IsBlob(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_BLOB;

    public bool IsText(int column) => raw.sqlite3_column_type(handle, column) == raw.SQLITE_TEXT;

    public long Integer(int column) => raw.sqlite3_column_int64(handle, column);

    /// <summary>Raw bytes of a blob or text, a number as text; empty for NULL.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => raw.sqlite3_column_blob(handle, column);

    public string String(int column) => Encoding.UTF8.GetString(Bytes(column));

    public void Dispose()
    {
        // A failed step was reported when it happened; reset repeats its code.
        _ = raw.sqlite3_reset(handle);
        _ = raw.sqlite3_clear_bindings(handle);
        if (!database.TakeBack(this, pool))
            Close();
    }

    internal void Close() => _ = raw.sqlite3_finalize(handle);

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
            throw database.Fail(code);
    }
}
