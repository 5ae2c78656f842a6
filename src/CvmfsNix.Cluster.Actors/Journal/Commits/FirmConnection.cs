using System.Data;
using System.Data.Common;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace CvmfsNix.Cluster.Actors.Journal.Commits;

/// <summary>
/// A session with PostgreSQL whose commits are never called back. The driver cancels whatever takes longer than its limit, or whose caller
/// gives up. A commit that waits for its synchronous standby answers a cancellation with success and becomes visible, although the standby
/// does not have it: a primary that was cut off from its standby would acknowledge what is lost when the standby is promoted. So a commit is
/// sent without a limit; who waits for it is told after a while that its outcome is not known, and the session stays until the server answers.
/// Statements are cancelled as before: nothing of them is visible yet.
/// </summary>
internal sealed class FirmConnection : DbConnection
{
    /// <summary>How long a commit is waited for. The journal plugins' own patience is a little longer.</summary>
    private static readonly TimeSpan CommitWait = TimeSpan.FromSeconds(8);

    private readonly NpgsqlConnection _inner;
    private readonly TimeSpan _commitWait;
    private readonly int _statementSeconds;
    private Task _unanswered = Task.CompletedTask;

    /// <param name="connectionString">An Npgsql connection string; its command timeout is the limit of statements.</param>
    /// <param name="commitWait">How long a commit is waited for; null for the usual time.</param>
    public FirmConnection(string connectionString, TimeSpan? commitWait = null)
    {
        _commitWait = commitWait ?? CommitWait;
        var parts = new NpgsqlConnectionStringBuilder(connectionString);
        _statementSeconds = parts.CommandTimeout;
        // The limit of everything that has none of its own: of commits.
        parts.CommandTimeout = 0;
        _inner = new NpgsqlConnection(parts.ConnectionString);
    }

    /// <summary>True when a statement took as long as its limit: a cancellation may be on its way and would hit the commit instead.</summary>
    public bool Doubtful { get; private set; }

    [AllowNull]
    public override string ConnectionString
    {
        get => _inner.ConnectionString;
        set => _inner.ConnectionString = value;
    }

    public override string Database => _inner.Database;

    public override string DataSource => _inner.DataSource;

    public override string ServerVersion => _inner.ServerVersion;

    public override ConnectionState State => _inner.State;

    public override void ChangeDatabase(string databaseName) => _inner.ChangeDatabase(databaseName);

    public override void Open() => _inner.Open();

    public override Task OpenAsync(CancellationToken cancellationToken) => _inner.OpenAsync(cancellationToken);

    public override void Close()
    {
        if (!Leave())
            _inner.Close();
    }

    public override Task CloseAsync() => Leave() ? Task.CompletedTask : _inner.CloseAsync();

    public override async ValueTask DisposeAsync()
    {
        if (!Leave())
            await _inner.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs a statement and notes when a cancellation may have been sent for it.</summary>
    internal async Task<T> WatchAsync<T>(Func<Task<T>> statement)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            return await statement().ConfigureAwait(false);
        }
        finally
        {
            Doubtful |= _statementSeconds > 0 && Stopwatch.GetElapsedTime(start).TotalSeconds >= _statementSeconds;
        }
    }

    /// <summary>Waits for an end of a transaction that must not be cancelled.</summary>
    /// <exception cref="TimeoutException">The server has not answered yet; what it does is not known.</exception>
    internal async Task EndAsync(Func<Task> end)
    {
        var answered = end();
        _unanswered = answered;
        await answered.WaitAsync(_commitWait).ConfigureAwait(false);
    }

    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) => new FirmTransaction(this, _inner.BeginTransaction(isolationLevel));

    protected override async ValueTask<DbTransaction> BeginDbTransactionAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken) =>
        new FirmTransaction(this, await _inner.BeginTransactionAsync(isolationLevel, cancellationToken).ConfigureAwait(false));

    protected override DbCommand CreateDbCommand()
    {
        var command = _inner.CreateCommand();
        command.CommandTimeout = _statementSeconds;
        return new FirmCommand(this, command);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !Leave())
            _inner.Dispose();
        base.Dispose(disposing);
    }

    // True when the server still owes an answer: the session ends when it comes.
    private bool Leave()
    {
        if (_unanswered.IsCompleted)
            return false;
        _unanswered.ContinueWith(_ => _inner.Dispose(), TaskScheduler.Default);
        return true;
    }
}
