using CvmfsNix.Cluster.Contracts.Tracing;
using CvmfsNix.Cluster.Model.Tracing;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Tracing;

/// <summary>Sends what this process does for transactions to a collector of traces, where one is named by the environment.</summary>
public sealed class TraceExport(NodeAddresses addresses, NodeOptions options, ILogger<TraceExport> log) : IHostedService
{
    private const string Service = "cvmfsnix-node";

    private Lazy<(OtlpExporter Exporter, string Instance)>? _sender;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (OtlpSettings.Read(Environment.GetEnvironmentVariables(), Service) is { } settings)
        {
            // Which process this is, the address of its data port says; no two share it. By the first step it is known.
            _sender = new(() =>
            {
                string instance = addresses.Url(Surface.Data);
                return (new OtlpExporter(settings, instance, problem => log.LogWarning("{Problem}", problem)), instance);
            });
            PublishSteps.Ended += Send;
            log.LogInformation("Traces of publishes are sent to {Endpoint}", settings.Endpoint.GetLeftPart(UriPartial.Path));
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        PublishSteps.Ended -= Send;
        if (_sender is { IsValueCreated: true } sender)
            await sender.Value.Exporter.DisposeAsync();
    }

    private void Send(PublishStep step)
    {
        (OtlpExporter exporter, string instance) = _sender!.Value;
        exporter.Add(new TraceSpan(step.Transaction.Value, step.Name, step.Name is PublishStep.Commit or PublishStep.Append ? "" : instance, step.StartedAt, step.EndedAt)
        {
            Parent = step.Name is PublishStep.Append or PublishStep.Serve or PublishStep.Replicate ? PublishStep.Commit : TraceSpan.Root,
            Attributes = new Dictionary<string, string>(step.Attributes) { ["cvmfsnix.node"] = instance, ["cvmfsnix.site"] = options.Membership.Site },
            Failed = step.Failed,
        });
    }
}
