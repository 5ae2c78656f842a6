using System.Runtime.Versioning;
using CvmfsNix.Cluster.TestKit.Postgres;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Journal;

/// <summary>One PostgreSQL server for the tests of a class; each takes a database of its own.</summary>
[SupportedOSPlatform("linux")]
public sealed class PostgresFixture : IAsyncLifetime
{
    private PostgresServer? _server;
    private int _databases;

    /// <summary>The server; the test is skipped where there is none.</summary>
    public PostgresServer Server
    {
        get
        {
            Assert.SkipWhen(_server is null, PostgresServer.Missing ?? "");
            return _server!;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (PostgresServer.Missing is null)
            _server = await PostgresServer.StartAsync(null, TestContext.Current.CancellationToken);
    }

    public async Task<string> NewDatabaseAsync()
    {
        string name = $"d{Interlocked.Increment(ref _databases)}";
        await Server.CreateDatabaseAsync(name, TestContext.Current.CancellationToken);
        return name;
    }

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;
}
