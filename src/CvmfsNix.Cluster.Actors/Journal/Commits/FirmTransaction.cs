using System.Data;
using System.Data.Common;
using Npgsql;

namespace CvmfsNix.Cluster.Actors.Journal.Commits;

/// <summary>A transaction of a <see cref="FirmConnection"/>.</summary>
internal sealed class FirmTransaction(FirmConnection connection, NpgsqlTransaction inner) : DbTransaction
{
    private bool _ended;

    /// <summary>The driver's.</summary>
    public NpgsqlTransaction Inner => inner;

    public override IsolationLevel IsolationLevel => inner.IsolationLevel;

    protected override DbConnection DbConnection => connection;

    public override void Commit() => CommitAsync(CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc/>
    /// <exception cref="TimeoutException">Not committed, or its outcome is not known.</exception>
    public override async Task CommitAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (connection.Doubtful)
            throw new TimeoutException("A statement took as long as its limit; its transaction is not committed.");
        _ended = true;
        await connection.EndAsync(() => inner.CommitAsync(CancellationToken.None)).ConfigureAwait(false);
    }

    public override void Rollback() => RollbackAsync(CancellationToken.None).GetAwaiter().GetResult();

    // After a commit that nobody knows the outcome of there is nothing that could be taken back.
    public override async Task RollbackAsync(CancellationToken cancellationToken = default)
    {
        if (_ended)
            return;
        _ended = true;
        await connection.EndAsync(() => inner.RollbackAsync(CancellationToken.None)).ConfigureAwait(false);
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_ended && inner.Connection is not null)
            await RollbackAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_ended && inner.Connection is not null)
            Rollback();
        base.Dispose(disposing);
    }
}
