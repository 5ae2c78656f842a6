using CvmfsNix.Cluster.FaultTests.Nemesis.Networks;
using CvmfsNix.Cluster.TestKit.Postgres;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>PostgreSQL stops, in order or as a crash does, and is started again.</summary>
internal sealed class DatabaseStopFault(PostgresServer postgres, bool crash) : INemesisFault
{
    public Task InjectAsync(CancellationToken cancellationToken) => crash ? postgres.CrashAsync() : postgres.StopAsync();

    public Task HealAsync(CancellationToken cancellationToken) => postgres.RestartAsync(cancellationToken);
}

/// <summary>An append is committed, and its writer's connection is gone before it hears of it.</summary>
internal sealed class CommitReplyFault(JournalProxy proxy, string persistenceId) : INemesisFault
{
    public Task InjectAsync(CancellationToken cancellationToken) =>
        proxy.CutAfterCommitAsync(persistenceId).WaitAsync(TimeSpan.FromMinutes(1), cancellationToken);

    public Task HealAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
