using CvmfsNix.Cluster.Node.Management;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Says READY once: when the ports are bound and the node does what it is for. Takes <c>node.json</c> away on a clean stop.</summary>
public sealed class ReadyAnnouncer(
    INodeState state, NodeAddresses addresses, DataFolder folder, TextWriter output, IHostApplicationLifetime lifetime, ILogger<ReadyAnnouncer> log) : BackgroundService
{
    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        ServiceManager.Stopping();
        await base.StopAsync(cancellationToken);
        folder.RemoveNodeFile();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await StartedAsync(stoppingToken);
        await state.ReadyAsync(stoppingToken);
        var document = new ReadyDocument(
            Environment.ProcessId,
            state.Address,
            addresses.Url(Surface.Data),
            addresses.IsBound(Surface.Control) ? addresses.Url(Surface.Control) : null,
            addresses.Url(Surface.Management));
        folder.WriteNodeFile(document.ToJson());
        await output.WriteLineAsync("READY " + document.ToJson());
        await output.FlushAsync(stoppingToken);
        ServiceManager.Ready();
        log.LogInformation("Ready: data {Http}, control {Grpc}, management {Management}", document.Http, document.Grpc ?? "none", document.Management);
    }

    private async Task StartedAsync(CancellationToken ct)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(() => started.TrySetResult());
        await started.Task.WaitAsync(ct);
    }
}
