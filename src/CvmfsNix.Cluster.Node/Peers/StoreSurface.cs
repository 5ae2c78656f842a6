using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Peers;

/// <summary>This node's store as it tells the others of it: the data port with its real number, once it is bound.</summary>
public sealed class StoreSurface(NodeOptions options, NodeAddresses addresses, IHostApplicationLifetime lifetime) : IStoreSurface
{
    /// <inheritdoc/>
    public string? Url => lifetime.ApplicationStarted.IsCancellationRequested ? addresses.PeerUrl(options.Ports.Remoting) : null;

    /// <inheritdoc/>
    public PeerCredential Credential { get; } = new(AdminToken.LoadOrCreate(options.Folders.Keys));
}
