using CvmfsNix.Cluster.Node.Management;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary><c>/metrics</c>, for Prometheus.</summary>
public sealed class MetricsRoute(NodeMetrics metrics) : IManagementRoute
{
    public string Paths => "/metrics";

    public async Task<bool> TryServeAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Request.Path != "/metrics" || !HttpMethods.IsGet(context.Request.Method))
            return false;
        context.Response.ContentType = PrometheusText.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.WriteAsync(PrometheusText.Write(await metrics.CollectAsync(context.RequestAborted)), context.RequestAborted);
        return true;
    }
}
