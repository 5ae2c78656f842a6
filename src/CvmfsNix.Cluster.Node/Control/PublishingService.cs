using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Gateway;
using CvmfsNix.Cluster.Node.Hosting;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>The gRPC service <c>Publishing</c>: from messages to the gateway and the core, and back. Errors are mapped by <see cref="CallInterceptor"/>.</summary>
public sealed class PublishingService(
    IPublishingCore core,
    PublishingGateway gateway,
    PathStream paths,
    RevisionWaits waits,
    ReplicaAdministration replicas,
    TagAdministration tags,
    RetentionAdministration retention,
    NodeAddresses addresses,
    ILogger<PublishingService> log) : Publishing.PublishingBase
{
    private const int StoreDirectoryLengthMax = 200;

    /// <inheritdoc/>
    public override async Task<RepositoryInfo> CreateRepository(CreateRepositoryRequest request, ServerCallContext context)
    {
        string repository = Requests.Repository(request.Repository);
        var algorithm = request.HashAlgorithm switch
        {
            "" or "sha1" => HashAlgorithmId.Sha1,
            "shake128" => HashAlgorithmId.Shake128,
            _ => throw Requests.Invalid(request.HashAlgorithm, "This is no hash algorithm for object names.", "Use sha1 or shake128."),
        };
        RepositoryView view = await core.CreateRepositoryAsync(
            new CreateRepository(repository, algorithm, StoreDirectoryOf(repository, request.StoreDirectory)) { NixDatabase = request.NixDatabase }, context.CancellationToken);
        log.LogInformation("Repository {Repository} created, objects named by {Algorithm}", repository, OutcomeMapping.NameOf(algorithm));
        return OutcomeMapping.ToInfo(view, addresses.RepositoryUrl(repository, context.Host));
    }

    /// <inheritdoc/>
    public override async Task<ListRepositoriesReply> ListRepositories(ListRepositoriesRequest request, ServerCallContext context)
    {
        var reply = new ListRepositoriesReply();
        foreach (RepositoryView view in await core.ListRepositoriesAsync(context.CancellationToken))
            reply.Repositories.Add(OutcomeMapping.ToInfo(view, addresses.RepositoryUrl(view.Repository, context.Host)));
        return reply;
    }

    /// <inheritdoc/>
    public override async Task<RepositoryInfo> GetRepository(GetRepositoryRequest request, ServerCallContext context)
    {
        string repository = Requests.Repository(request.Repository);
        return OutcomeMapping.ToInfo(await core.GetRepositoryAsync(repository, context.CancellationToken), addresses.RepositoryUrl(repository, context.Host));
    }

    /// <inheritdoc/>
    public override Task<BeginReply> Begin(BeginRequest request, ServerCallContext context) =>
        gateway.BeginAsync(request, addresses.UploadUrl(request.Repository, request.Transaction, context.Host), context.CancellationToken);

    /// <inheritdoc/>
    public override Task<FindPathsReply> FindPaths(FindPathsRequest request, ServerCallContext context) =>
        gateway.FindPathsAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override async Task<FindContentReply> FindContent(FindContentRequest request, ServerCallContext context)
    {
        var reply = new FindContentReply();
        reply.Contents.AddRange((await gateway.FindContentAsync(request, context.CancellationToken)).Select(OutcomeMapping.ToMessage));
        return reply;
    }

    /// <inheritdoc/>
    public override async Task<AddPathsReply> AddPaths(IAsyncStreamReader<AddPathsRequest> requestStream, ServerCallContext context) =>
        new() { Paths = await paths.ReceiveAsync(requestStream, context.CancellationToken) };

    /// <inheritdoc/>
    public override Task<TransactionOutcome> Seal(SealRequest request, ServerCallContext context) => gateway.SealAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override async Task<AbortReply> Abort(AbortRequest request, ServerCallContext context)
    {
        await gateway.AbortAsync(request, context.CancellationToken);
        return new AbortReply();
    }

    /// <inheritdoc/>
    public override async Task<TransactionOutcome> GetTransaction(GetTransactionRequest request, ServerCallContext context) =>
        OutcomeMapping.ToOutcome(await core.GetTransactionAsync(
            Requests.Repository(request.Repository), Requests.Transaction(request.Transaction), context.CancellationToken));

    /// <inheritdoc/>
    public override Task<WaitReply> Wait(WaitRequest request, ServerCallContext context) => waits.WaitAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override async Task<NodeStatus> GetStatus(GetStatusRequest request, ServerCallContext context) =>
        OutcomeMapping.ToStatus(await core.StatusAsync(context.CancellationToken));

    /// <inheritdoc/>
    public override Task<ListReplicasReply> ListReplicas(ListReplicasRequest request, ServerCallContext context) => replicas.ListAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<ListReplicasReply> ChangeReplica(ChangeReplicaRequest request, ServerCallContext context) => replicas.ChangeAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<ListTagsReply> ListTags(ListTagsRequest request, ServerCallContext context) => tags.ListAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<TagReply> SetTag(SetTagRequest request, ServerCallContext context) => tags.SetAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<TagReply> RemoveTag(RemoveTagRequest request, ServerCallContext context) => tags.RemoveAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<RetentionInfo> GetRetention(GetRetentionRequest request, ServerCallContext context) => retention.GetAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<RetentionInfo> SetRetention(SetRetentionRequest request, ServerCallContext context) => retention.SetAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<PinPathsReply> PinPaths(PinPathsRequest request, ServerCallContext context) => retention.PinAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<PlanRemovalReply> PlanRemoval(PlanRemovalRequest request, ServerCallContext context) => retention.PlanAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<CollectionInfo> RunRemoval(RunRemovalRequest request, ServerCallContext context) => retention.RunAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<CollectionInfo> GetCollection(GetCollectionRequest request, ServerCallContext context) => retention.StatusAsync(request, context.CancellationToken);

    /// <inheritdoc/>
    public override Task<WithdrawReply> Withdraw(WithdrawRequest request, ServerCallContext context) => retention.WithdrawAsync(request, context.CancellationToken);

    private static string StoreDirectoryOf(string repository, string text)
    {
        if (text.Length == 0)
            return StoreDirectory.Default.Value;
        if (text.Length > StoreDirectoryLengthMax)
            throw Requests.Invalid("store directory", $"It has more than {StoreDirectoryLengthMax} characters.");
        if (text == "/cvmfs/" + repository)
            throw Requests.Invalid(text, "The store directory cannot be the mount point itself.", $"Choose a folder below it, as in {text}/store.");
        try
        {
            return StoreDirectory.Parse(text).Value;
        }
        catch (StorePathFormatException e)
        {
            throw Requests.Invalid(text, e.Message, "Give an absolute directory without a trailing slash, as in /nix/store.");
        }
    }
}
