namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>This node must not run as it is configured; the message says what and what to do.</summary>
public sealed class StartRefusedException(string message) : Exception(message);
