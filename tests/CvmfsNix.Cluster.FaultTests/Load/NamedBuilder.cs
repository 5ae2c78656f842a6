using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.TestKit.Store;
using Google.Protobuf;
using Grpc.Core;
using PublishingService = CvmfsNix.Cluster.Contracts.Publishing.Publishing;

namespace CvmfsNix.Cluster.FaultTests.Load;

/// <summary>
/// A builder with a name of its own choice, which the nodes' fairness goes by; the command line's is the machine's. Its paths are single
/// symbolic links: no content to be sent, many of them soon made.
/// </summary>
internal sealed class NamedBuilder(PublishingService.PublishingClient client, string repository, string name)
{
    private static readonly ByteString Digest = ByteString.CopyFrom(new byte[32]);

    /// <summary>Publishes a path and waits for its decision.</summary>
    /// <param name="path">Name of the path.</param>
    /// <param name="transaction">Chosen by the caller, who may ask for its state meanwhile.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<TransactionOutcome> PublishAsync(string path, string transaction, CancellationToken cancellationToken)
    {
        PathInfo info = SyntheticPath.Of(path, SyntheticTree.Symlink("target")).Upload.Info;
        ByteString narHash = ByteString.CopyFrom(info.NarHash.ToArray());
        var begin = new BeginRequest { Repository = repository, Transaction = transaction, RequestDigest = Digest, Last = true, Builder = name };
        begin.Paths.Add(new PathQuery { Path = info.Path.Value, NarHash = narHash });
        _ = await client.BeginAsync(begin, cancellationToken: cancellationToken);

        using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call = client.AddPaths(cancellationToken: cancellationToken);
        foreach (AddPathsRequest message in (AddPathsRequest[])
        [
            new() { Header = new AddPathsHeader { Repository = repository, Transaction = transaction } },
            new() { Path = new PathHeader { Path = info.Path.Value, NarHash = narHash, NarSize = info.NarSize } },
            new() { Tree = new TreePart { Entries = { new TreeEntry { Kind = TreeEntryKind.Symlink, Target = ByteString.CopyFromUtf8("target") } } } },
            new() { End = new PathEnd() },
        ])
            await call.RequestStream.WriteAsync(message, cancellationToken);
        await call.RequestStream.CompleteAsync();
        await call.ResponseAsync;
        return await client.SealAsync(new SealRequest { Repository = repository, Transaction = transaction, RequestDigest = Digest, Builder = name }, cancellationToken: cancellationToken);
    }
}
