using CvmfsNix.Cluster.Node.Logs;
using Microsoft.Extensions.Logging;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Logs;

public sealed class LogLevelsTests
{
    private const string Requests = "Microsoft.AspNetCore.Hosting.Diagnostics";

    [Theory]
    [InlineData(LogLevel.Information)]
    [InlineData(LogLevel.Warning)]
    [InlineData(LogLevel.Error)]
    public void Requests_cost_no_log_scope_while_they_are_not_told(LogLevel least)
    {
        var levels = new LogLevels(least);
        // What asks whether a scope is worth making asks for the gravest level.
        Assert.False(levels.Allows(Requests, LogLevel.Critical));
        Assert.True(levels.Allows("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error));
        Assert.True(levels.Allows("CvmfsNix.Cluster.Node", LogLevel.Error));
    }

    [Fact]
    public void Requests_are_told_as_soon_as_everything_is()
    {
        var levels = new LogLevels(LogLevel.Warning);
        levels.Least = LogLevel.Debug;
        Assert.True(levels.Allows(Requests, LogLevel.Information));
    }
}
