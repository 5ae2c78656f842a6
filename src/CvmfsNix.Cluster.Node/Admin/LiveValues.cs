using System.Globalization;
using CvmfsNix.Cluster.Actors.Administration;
using CvmfsNix.Cluster.Actors.Gateway;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Replicas;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Arguments that several commands have, with the values that make sense at the moment.</summary>
public sealed class LiveValues(IPublishingCore core, IReplicationCore replicas, IClusterMembership members, IOperations operations, IShardingView shards, IRepositoryHistory history, IRepositoryTags tags)
{
    private const int TransactionsOfLedger = 5;

    /// <summary>A repository, by name.</summary>
    public CommandArgument Repository(bool mandatory = true) => new("repo", "Repository", "-r", "--repo")
    {
        Mandatory = mandatory,
        Live = async (_, ct) => (await core.ListRepositoriesAsync(ct)).Select(r => r.Repository),
    };

    /// <summary>A member, by remoting address.</summary>
    public CommandArgument Member(string description, bool mandatory) => new("address", description, "-a", "--address")
    {
        Mandatory = mandatory,
        Live = (_, _) => Task.FromResult(members.Members.All.Select(m => m.Address)),
    };

    /// <summary>A replica, by id.</summary>
    public CommandArgument Replica() => new("replica", "Id of the replica", "-i", "--replica")
    {
        Mandatory = true,
        Live = async (given, ct) => (await replicas.ListAsync(given.Text("repo"), ct)).Select(r => r.Replica.Key.Replica.Value).Distinct(StringComparer.Ordinal),
    };

    /// <summary>A transaction, by id.</summary>
    public CommandArgument Transaction() => new("transaction", "Id of the transaction", "-t", "--transaction")
    {
        Mandatory = true,
        Live = async (given, ct) => given.Text("repo") is { } repository
            ? (await operations.TransactionsAsync(repository, TransactionsOfLedger, ct)).Select(t => t.Transaction.Id.ToString())
            : [],
    };

    /// <summary>A revision, by number.</summary>
    public CommandArgument Revision(string name, string description, bool mandatory, params IReadOnlyList<string> switches) => new(name, description, switches)
    {
        Mandatory = mandatory,
        Live = async (given, ct) => given.Text("repo") is { } repository
            ? (await history.RevisionsAsync(repository, 20, ct)).Select(r => r.Revision.Head.Revision.ToString(CultureInfo.InvariantCulture))
            : [],
    };

    /// <summary>A revision to go back to: a tag, or a number.</summary>
    public CommandArgument Goal() => new("to", "Tag or revision, or trunk-previous", "-t", "--to")
    {
        Mandatory = true,
        Live = async (given, ct) => given.Text("repo") is { } repository
            ? (await tags.ListAsync(repository, ct)).Select(t => t.Name).Where(n => n is not ("trunk" or "trunk-previous")).Prepend("trunk-previous")
                .Concat((await history.RevisionsAsync(repository, 20, ct)).Select(r => r.Revision.Head.Revision.ToString(CultureInfo.InvariantCulture)))
            : [],
    };

    /// <summary>A store path, by base name.</summary>
    public CommandArgument Path() => new("path", "Store path, its base name or its hash", "-p", "--path")
    {
        Mandatory = true,
        Live = (given, _) => Task.FromResult(given.Text("repo") is { } repository
            ? history.NamesThatBegin(repository, given.Text("path") ?? "", 50).Select(p => p.Value)
            : []),
    };

    /// <summary>A kind of sharded actors.</summary>
    public CommandArgument ShardType() => new("type", "Kind of sharded actors", "-t", "--type")
    {
        Live = (_, _) => Task.FromResult<IEnumerable<string>>(shards.Types),
    };

    /// <summary>How many lines to show.</summary>
    public static CommandArgument Count(string what) => new("count", what, "-n", "--count") { Suggested = ["10", "20", "50", "100"] };
}
