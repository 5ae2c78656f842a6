using System.Collections.Frozen;
using CvmfsNix.Cluster.Contracts.Publishing;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// What each gRPC call asks of its caller. A call that is not listed here is allowed to nobody. The table for people is in docs/access.md; a
/// test compares the two with what a node does.
/// </summary>
public static class CallNeeds
{
    private static readonly FrozenDictionary<string, NeedKind> Kinds = new Dictionary<string, NeedKind>
    {
        ["/cvmfsnix.v1.Publishing/CreateRepository"] = NeedKind.Admin,
        ["/cvmfsnix.v1.Publishing/ListRepositories"] = NeedKind.Read,
        ["/cvmfsnix.v1.Publishing/GetRepository"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/Begin"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/FindPaths"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/FindContent"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/AddPaths"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/Seal"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/Abort"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/GetTransaction"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/Wait"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/GetStatus"] = NeedKind.Read,
        ["/cvmfsnix.v1.Publishing/ListReplicas"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/ChangeReplica"] = NeedKind.Operate,
        ["/cvmfsnix.v1.Publishing/ListTags"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/SetTag"] = NeedKind.Operate,
        ["/cvmfsnix.v1.Publishing/RemoveTag"] = NeedKind.Admin,
        ["/cvmfsnix.v1.Publishing/GetRetention"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/SetRetention"] = NeedKind.Admin,
        ["/cvmfsnix.v1.Publishing/PinPaths"] = NeedKind.Publish,
        ["/cvmfsnix.v1.Publishing/PlanRemoval"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/RunRemoval"] = NeedKind.Admin,
        ["/cvmfsnix.v1.Publishing/GetCollection"] = NeedKind.ReadRepository,
        ["/cvmfsnix.v1.Publishing/Withdraw"] = NeedKind.Admin,
        // The repositories it follows are known with its hello.
        ["/cvmfsnix.v1.Replication/Follow"] = NeedKind.Credential,
        ["/cvmfsnix.admin.v1.Admin/ListPalettes"] = NeedKind.Read,
        ["/cvmfsnix.admin.v1.Admin/Complete"] = NeedKind.Read,
        // What a command asks for stands at the command.
        ["/cvmfsnix.admin.v1.Admin/Execute"] = NeedKind.Credential,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>All calls, with what they ask for.</summary>
    public static IReadOnlyDictionary<string, NeedKind> All => Kinds;

    /// <summary>What a call asks for before its message is read.</summary>
    /// <param name="method">Full name, as <c>/package.Service/Method</c>.</param>
    /// <returns>Kinds that are about a repository name none yet: a credential is all that can be asked for.</returns>
    public static NeedKind Of(string method) => Kinds.GetValueOrDefault(method, NeedKind.Admin);

    /// <summary>What a call asks for with a message.</summary>
    public static Need Of(string method, IMessage message)
    {
        NeedKind kind = Of(method);
        // To forget a mirror takes its place away for good.
        if (message is ChangeReplicaRequest { Action: ReplicaAction.ReplicaRemove })
            kind = NeedKind.Admin;
        return new Need(kind, RepositoryOf(message));
    }

    private static string RepositoryOf(IMessage message) => message switch
    {
        AddPathsRequest { Header: { } header } => header.Repository,
        _ => message.Descriptor.FindFieldByName("repository")?.Accessor.GetValue(message) as string ?? "",
    };
}
