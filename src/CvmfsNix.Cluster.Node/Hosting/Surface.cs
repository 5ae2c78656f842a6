namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Which port a connection came in by.</summary>
public enum Surface
{
    /// <summary>Repositories and uploads, HTTP/1.1.</summary>
    Data,

    /// <summary>gRPC.</summary>
    Control,

    /// <summary>Health and status.</summary>
    Management,
}

/// <summary>Put on every connection by its port.</summary>
public sealed record SurfaceFeature(Surface Surface);
