using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Hosting;

public sealed class ClockTests
{
    [Theory]
    [InlineData(1.1)]
    [InlineData(-1.1)]
    public async Task A_node_whose_clock_is_more_than_an_hour_off_the_databases_does_not_start(double hours)
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<IJournalDatabase>(new OtherClock(TimeSpan.FromHours(hours)));
        builder.Services.AddCvmfsNixCore(new CoreOptions { DataDirectory = "/nonexistent", KeysDirectory = "/nonexistent", RemotingPort = 0, Journal = new JournalOptions.Sqlite("/nonexistent/journal.db") });
        using IHost host = builder.Build();

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => host.StartAsync(ct));
        Assert.Contains("1.1 hours off", e.Message);
    }

    private sealed class OtherClock(TimeSpan ahead) : IJournalDatabase
    {
        public IMembershipTable? Membership => null;

        public JournalConnection ConnectionOf(string plugin) => throw new NotSupportedException();

        public Task<IReadOnlyList<string>> PrepareAsync(CancellationToken ct) => Task.FromResult<IReadOnlyList<string>>([]);

        public Task<IReadOnlyDictionary<string, long>> EndsAsync(IReadOnlyCollection<string> persistenceIds, CancellationToken ct) => throw new NotSupportedException();

        public Task<DateTimeOffset> NowAsync(CancellationToken ct) => Task.FromResult(DateTimeOffset.UtcNow + ahead);
    }
}
