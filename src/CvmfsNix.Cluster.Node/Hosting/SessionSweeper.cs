using CvmfsNix.Cluster.Node.BinaryCache;
using CvmfsNix.Cluster.Node.Gateway;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Forgets open transactions whose builders are gone, and uploaded archives whose narinfos never came.</summary>
internal sealed class SessionSweeper(GatewaySessions sessions, NarUploads uploads, TimeProvider time, ILogger<SessionSweeper> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            int expired = await sessions.ExpireAsync();
            if (expired > 0)
                log.LogInformation("{Count} open transactions forgotten after a long silence of their builders", expired);
            int dropped = await uploads.ExpireAsync();
            if (dropped > 0)
                log.LogInformation("{Count} uploaded archives dropped that nobody used any more", dropped);
        }
    }
}
