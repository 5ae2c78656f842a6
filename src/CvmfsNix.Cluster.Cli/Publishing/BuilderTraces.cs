using System.Globalization;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Tracing;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>The span above all others of a publish: from the builder's command to its answer. Sent where the environment names a collector.</summary>
internal static class BuilderTraces
{
    private const string Service = "cvmfsnix";

    private static readonly Lazy<OtlpExporter?> Exporter = new(() => OtlpSettings.Read(Environment.GetEnvironmentVariables(), Service) is { } settings
        ? new OtlpExporter(settings, Environment.MachineName, static problem => Console.Error.WriteLine(problem))
        : null);

    /// <summary>Runs a publish within its span.</summary>
    public static async Task<PublishJson> FollowAsync(string repository, string transaction, TimeProvider clock, Func<Task<PublishJson>> publish)
    {
        if (Exporter.Value is not { } exporter || !Guid.TryParse(transaction, out Guid id))
            return await publish();
        DateTimeOffset started = clock.GetUtcNow();
        PublishJson? result = null;
        try
        {
            return result = await publish();
        }
        finally
        {
            var attributes = new Dictionary<string, string> { ["cvmfsnix.repository"] = repository, ["cvmfsnix.status"] = result?.Status ?? "failed" };
            if (result is not null)
            {
                attributes["cvmfsnix.revision"] = result.Revision.ToString(CultureInfo.InvariantCulture);
                attributes["cvmfsnix.paths.new"] = result.PathsNew.ToString(CultureInfo.InvariantCulture);
                attributes["cvmfsnix.bytes.sent"] = result.BytesSent.ToString(CultureInfo.InvariantCulture);
            }

            exporter.Add(new TraceSpan(id, TraceSpan.Root, "", started, clock.GetUtcNow()) { Parent = null, Attributes = attributes, Failed = result is null });
        }
    }

    /// <summary>Sends what waits, for a short time.</summary>
    public static async Task EndAsync()
    {
        if (Exporter is { IsValueCreated: true, Value: { } exporter })
            await exporter.DisposeAsync();
    }
}
