using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>Some paths of the management port.</summary>
public interface IManagementRoute
{
    /// <summary>The paths, for whoever asks for one that there is not.</summary>
    string Paths { get; }

    /// <summary>Answers the request when it is for one of them.</summary>
    Task<bool> TryServeAsync(HttpContext context);
}
