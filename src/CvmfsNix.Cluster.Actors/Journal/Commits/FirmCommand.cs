using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace CvmfsNix.Cluster.Actors.Journal.Commits;

/// <summary>A statement of a <see cref="FirmConnection"/>, with the limit that its connection string sets.</summary>
internal sealed class FirmCommand(FirmConnection connection, NpgsqlCommand inner) : DbCommand
{
    private FirmTransaction? _transaction;

    [AllowNull]
    public override string CommandText
    {
        get => inner.CommandText;
        // The text is the callers': this only hands it on.
#pragma warning disable CA2100
        set => inner.CommandText = value;
#pragma warning restore CA2100
    }

    public override int CommandTimeout
    {
        get => inner.CommandTimeout;
        set => inner.CommandTimeout = value;
    }

    public override CommandType CommandType
    {
        get => inner.CommandType;
        set => inner.CommandType = value;
    }

    public override bool DesignTimeVisible
    {
        get => inner.DesignTimeVisible;
        set => inner.DesignTimeVisible = value;
    }

    public override UpdateRowSource UpdatedRowSource
    {
        get => inner.UpdatedRowSource;
        set => inner.UpdatedRowSource = value;
    }

    protected override DbConnection? DbConnection
    {
        get => connection;
        set
        {
            if (value != connection)
                throw new NotSupportedException("A statement stays with its connection.");
        }
    }

    protected override DbParameterCollection DbParameterCollection => inner.Parameters;

    protected override DbTransaction? DbTransaction
    {
        get => _transaction;
        set
        {
            _transaction = (FirmTransaction?)value;
            inner.Transaction = _transaction?.Inner;
        }
    }

    public override void Cancel() => inner.Cancel();

    public override void Prepare() => inner.Prepare();

    public override int ExecuteNonQuery() => connection.WatchAsync(() => Task.FromResult(inner.ExecuteNonQuery())).GetAwaiter().GetResult();

    public override object? ExecuteScalar() => connection.WatchAsync(() => Task.FromResult(inner.ExecuteScalar())).GetAwaiter().GetResult();

    public override Task<int> ExecuteNonQueryAsync(CancellationToken cancellationToken) => connection.WatchAsync(() => inner.ExecuteNonQueryAsync(cancellationToken));

    public override Task<object?> ExecuteScalarAsync(CancellationToken cancellationToken) => connection.WatchAsync(() => inner.ExecuteScalarAsync(cancellationToken));

    protected override DbParameter CreateDbParameter() => inner.CreateParameter();

    protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) =>
        connection.WatchAsync(() => Task.FromResult<DbDataReader>(inner.ExecuteReader(behavior))).GetAwaiter().GetResult();

    protected override Task<DbDataReader> ExecuteDbDataReaderAsync(CommandBehavior behavior, CancellationToken cancellationToken) =>
        connection.WatchAsync<DbDataReader>(async () => await inner.ExecuteReaderAsync(behavior, cancellationToken).ConfigureAwait(false));

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
