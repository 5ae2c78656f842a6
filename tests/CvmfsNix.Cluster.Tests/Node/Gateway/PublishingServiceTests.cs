using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using CvmfsNix.Cluster.Actors.Replicas;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Model.Replicas;
using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Trees;
using CvmfsNix.Cluster.Tests.Node.Hosting;
using Google.Protobuf;
using Grpc.Core;
using Xunit;
using PublishingException = CvmfsNix.Cluster.Actors.Hosting.PublishingException;
using TransactionOutcome = CvmfsNix.Cluster.Contracts.Publishing.TransactionOutcome;
using TransactionView = CvmfsNix.Cluster.Actors.Hosting.TransactionView;

namespace CvmfsNix.Cluster.Tests.Node.Gateway;

public sealed class PublishingServiceTests
{
    private const string Repository = FakeCore.Repository;
    private const string PathA = PathAssemblerTests.PathA;
    private const string PathB = PathAssemblerTests.PathB;
    private readonly string _id = TransactionId.Create(DateTimeOffset.UtcNow).ToString();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_publish_goes_from_begin_to_commit_and_a_repeated_seal_gets_the_first_answer()
    {
        await using TestNode node = await TestNode.StartAsync();
        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7), (PathB, 7)), cancellationToken: Ct);
        Assert.Equal([PathPresence.Missing, PathPresence.Missing], begun.Paths.Presence);
        Assert.Equal(("/nix/store", "sha1"), (begun.StoreDirectory, begun.HashAlgorithm));

        using HttpResponseMessage upload = await node.Http.PostAsync(begun.UploadUrl, new ByteArrayContent(new byte[2 << 20]), Ct);
        Assert.Equal(HttpStatusCode.OK, upload.StatusCode);
        FindContentReply contents = await node.Publishing.FindContentAsync(
            new FindContentRequest { Repository = Repository, Transaction = _id, Sha256 = { PathAssemblerTests.Bytes(32) } }, cancellationToken: Ct);
        Assert.Equal(-1, Assert.Single(contents.Contents).Size);
        Assert.Equal(2, (await AddAsync(node, PathA, PathB)).Paths);

        TransactionOutcome outcome = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);
        TransactionOutcome again = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);

        Assert.Equal((TransactionState.Committed, 2UL, 2L), (outcome.State, outcome.Revision, outcome.PathsNew));
        Assert.Equal(outcome, again);
        Assert.Single(node.Core.Seals);
        BeginReply known = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        Assert.Equal(outcome, known.Outcome);
        Assert.True(node.Gate.Stagings.Single().Disposed);
    }

    [Fact]
    public async Task That_all_is_there_is_answered_only_with_a_revision_and_its_root_hash()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Gate.Committed[StorePathName.Parse(PathA)] = Hash(7);
        node.Core.LeaderAnswers = false;
        await RefusedAsync("NoLeader", StatusCode.Unavailable, () => node.Publishing.BeginAsync(Begin(last: true, (PathA, 7))));
        Assert.Empty(node.Core.Decided);

        node.Core.LeaderAnswers = true;
        Assert.True((await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct)).Paths.Unchanged);
    }

    [Fact]
    public async Task A_request_with_missing_paths_is_begun_by_one_question_and_one_without_names_the_revision()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Core.Takes = true;
        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        Assert.Equal([PathPresence.Missing], begun.Paths.Presence);
        Assert.Equal(1, node.Core.Questions);
        Assert.Contains(TransactionId.Parse(_id), node.Core.Open.Keys);
        Assert.Equal(1, (await AddAsync(node, PathA)).Paths);
        TransactionOutcome outcome = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);
        Assert.Equal(TransactionState.Committed, outcome.State);
        Assert.Equal(outcome, (await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct)).Outcome);

        node.Gate.Committed[StorePathName.Parse(PathB)] = Hash(7);
        BeginRequest present = Begin(last: true, (PathB, 7));
        present.Transaction = Guid.CreateVersion7().ToString();
        BeginReply all = await node.Publishing.BeginAsync(present, cancellationToken: Ct);
        Assert.Equal((true, node.Core.Revision, "ab"), (all.Paths.Unchanged, all.Paths.Revision, all.Paths.RootHash));
    }

    [Fact]
    public async Task What_is_present_needs_no_transaction_and_leaves_none_open()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Gate.Committed[StorePathName.Parse(PathA)] = Hash(7);
        node.Gate.Committed[StorePathName.Parse(PathB)] = Hash(8);

        BeginReply reply = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7), (PathB, 7)), cancellationToken: Ct);
        Assert.Equal([PathPresence.Present, PathPresence.Different], reply.Paths.Presence);
        Assert.True(reply.Paths.Unchanged);
        Assert.Empty(node.Core.Open);
        BeginReply again = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7), (PathB, 7)), cancellationToken: Ct);
        Assert.Equal((TransactionState.Committed, true, 2L), (again.Outcome.State, again.Outcome.Unchanged, again.Outcome.PathsPresent));
        Assert.Equal([PathB], again.Outcome.ContentKept);

        string another = Guid.CreateVersion7().ToString();
        BeginRequest begin = Begin(last: false, (PathA, 7));
        begin.Transaction = another;
        Assert.False((await node.Publishing.BeginAsync(begin, cancellationToken: Ct)).Paths.Unchanged);
        FindPathsRequest find = Find(last: true, (PathB, 8));
        find.Transaction = another;
        Assert.True((await node.Publishing.FindPathsAsync(find, cancellationToken: Ct)).Unchanged);
        Assert.Empty(node.Core.Open);
        Assert.Equal(2, node.Core.Decided[TransactionId.Parse(another)].PathsPresent);
    }

    [Fact]
    public async Task Different_content_is_a_conflict_where_the_builder_or_the_path_says_so()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Gate.Committed[StorePathName.Parse(PathA)] = Hash(7);
        BeginRequest refuse = Begin(last: true, (PathA, 8));
        refuse.Conflict = ConflictPolicy.Refuse;
        BeginRequest addressed = Begin(last: true, (PathA, 8));
        addressed.Paths[0].ContentAddressed = true;
        foreach (BeginRequest request in (BeginRequest[])[refuse, addressed])
        {
            RpcException e = await Assert.ThrowsAsync<RpcException>(() => node.Publishing.BeginAsync(request, cancellationToken: Ct).ResponseAsync);
            Assert.Equal(StatusCode.FailedPrecondition, e.StatusCode);
        }

        Assert.Empty(node.Core.Decided);
    }

    [Fact]
    public async Task A_missing_path_found_later_opens_the_transaction()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Gate.Committed[StorePathName.Parse(PathA)] = Hash(7);
        await node.Publishing.BeginAsync(Begin(last: false, (PathA, 7)), cancellationToken: Ct);
        Assert.Empty(node.Core.Open);
        FindPathsReply reply = await node.Publishing.FindPathsAsync(Find(last: true, (PathB, 7)), cancellationToken: Ct);
        Assert.False(reply.Unchanged);
        Assert.Single(node.Core.Open);
    }

    [Fact]
    public async Task The_first_path_that_fails_verification_is_named()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Gate.OnAdd = upload => upload.Info.Path.Value == PathB
            ? throw new PathRejectedException(PathRejectionCodes.NarHashMismatch, PathB, "Its archive has another hash.")
            : Task.CompletedTask;
        await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7), (PathB, 7)), cancellationToken: Ct);

        RpcException e = await Assert.ThrowsAsync<RpcException>(() => AddAsync(node, PathA, PathB));

        ErrorDetail detail = Detail(e);
        Assert.Equal((StatusCode.InvalidArgument, "NarHashMismatch", PathB), (e.StatusCode, detail.Code, detail.What));
    }

    [Fact]
    public async Task A_rejected_transaction_carries_its_reason_in_the_outcome()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Core.OnSeal = seal => new TransactionView(
            seal.Id, TransactionStatus.Rejected, Reason: new Rejection("MissingReference", "A reference is missing.", PathB, "Publish it first."));
        await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        TransactionOutcome outcome = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);
        Assert.Equal((TransactionState.Rejected, "MissingReference", PathB), (outcome.State, outcome.Reason.Code, outcome.Reason.What));
    }

    [Fact]
    public async Task While_the_outcome_is_unknown_a_repeated_seal_sends_the_same_bundle()
    {
        await using TestNode node = await TestNode.StartAsync();
        int calls = 0;
        node.Core.OnSeal = seal => ++calls == 1
            ? throw new PublishingException("OutcomeUnknown", "No answer came.", seal.Id.ToString())
            : new TransactionView(seal.Id, TransactionStatus.Committed, 1, "ef");
        await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);

        RpcException e = await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.SealAsync(Seal(), cancellationToken: Ct));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        TransactionOutcome outcome = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);

        Assert.Equal(TransactionState.Committed, outcome.State);
        Assert.Equal(1, node.Gate.Stagings.Single().SealCalls);
    }

    [Fact]
    public async Task A_builder_whose_seal_was_refused_for_the_moment_begins_again_and_sends_its_paths_again()
    {
        await using TestNode node = await TestNode.StartAsync();
        int calls = 0;
        node.Core.OnSeal = seal => ++calls == 1
            ? throw new PublishingException("Overloaded", "The queue is full.", seal.Id.ToString())
            : new TransactionView(seal.Id, TransactionStatus.Committed, 1, "ef", PathsNew: seal.Paths);
        await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        await AddAsync(node, PathA);
        await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.SealAsync(Seal(), cancellationToken: Ct));

        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        using HttpResponseMessage upload = await node.Http.PostAsync(begun.UploadUrl, new ByteArrayContent([1]), Ct);
        Assert.Equal(HttpStatusCode.OK, upload.StatusCode);
        await AddAsync(node, PathA);
        TransactionOutcome outcome = await node.Publishing.SealAsync(Seal(), cancellationToken: Ct);

        Assert.Equal((TransactionState.Committed, 1L), (outcome.State, outcome.PathsNew));
    }

    [Fact]
    public async Task Requests_that_make_no_sense_are_refused_with_a_code()
    {
        await using TestNode node = await TestNode.StartAsync();
        Publishing.PublishingClient client = node.Publishing;
        await RefusedAsync("UnknownRepository", StatusCode.NotFound, () => client.GetRepositoryAsync(new GetRepositoryRequest { Repository = "no.example.org" }));
        await RefusedAsync("InvalidRepositoryName", StatusCode.InvalidArgument, () => client.CreateRepositoryAsync(new CreateRepositoryRequest { Repository = "../x" }));
        await RefusedAsync("RepositoryExists", StatusCode.AlreadyExists, () => client.CreateRepositoryAsync(new CreateRepositoryRequest { Repository = Repository }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => client.CreateRepositoryAsync(new CreateRepositoryRequest { Repository = "n.example.org", HashAlgorithm = "md5" }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => client.CreateRepositoryAsync(new CreateRepositoryRequest { Repository = "n.example.org", StoreDirectory = "relative" }));
        await RefusedAsync("InvalidTransactionId", StatusCode.InvalidArgument, () => client.GetTransactionAsync(new GetTransactionRequest { Repository = Repository, Transaction = Guid.Empty.ToString() }));
        await RefusedAsync("UnknownTransaction", StatusCode.NotFound, () => client.GetTransactionAsync(new GetTransactionRequest { Repository = Repository, Transaction = _id }));
        await RefusedAsync("TransactionNotOpen", StatusCode.FailedPrecondition, () => client.FindPathsAsync(Find(last: true, (PathA, 7))));
        await RefusedAsync("TransactionNotOpen", StatusCode.FailedPrecondition, () => client.SealAsync(Seal()));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => client.WaitAsync(new WaitRequest { Repository = Repository, Revision = 1, ForReplicas = "some" }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => client.WaitAsync(new WaitRequest { Repository = Repository }));
        await RefusedAsync("Timeout", StatusCode.DeadlineExceeded, () => client.WaitAsync(new WaitRequest { Repository = Repository, Revision = 99, TimeoutMs = 1 }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => client.BeginAsync(Begin(last: true, [.. Enumerable.Repeat((PathA, 7), 1001)])));
        Assert.Equal(1UL, (await client.WaitAsync(new WaitRequest { Repository = Repository, Revision = 1 }, cancellationToken: Ct)).Revision);
    }

    [Fact]
    public async Task Another_request_under_the_same_id_is_refused()
    {
        await using TestNode node = await TestNode.StartAsync();
        await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        SealRequest other = Seal();
        other.RequestDigest = ByteString.CopyFrom(new byte[32]);
        await RefusedAsync("TransactionIdReused", StatusCode.FailedPrecondition, () => node.Publishing.SealAsync(other));
    }

    [Fact]
    public async Task An_upload_is_refused_without_an_open_transaction_without_slots_and_without_room()
    {
        await using TestNode node = await TestNode.StartAsync(new GatewayLimits { PacksInFlightMax = 1, FreeBytesMin = 0, FreeShareMin = 0 });
        string url = $"/upload/{Repository}/{_id}";
        Assert.Equal((HttpStatusCode.Conflict, "TransactionNotOpen"), await UploadAsync(node, url, "x"));
        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        Assert.EndsWith(url, begun.UploadUrl);
        Assert.Equal((HttpStatusCode.BadRequest, "InvalidPack"), await UploadAsync(node, url, ""));

        var (entered, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        node.Gate.OnPack = () =>
        {
            entered.TrySetResult();
            return go.Task;
        };
        Task<(HttpStatusCode, string?)> first = UploadAsync(node, url, "x");
        await entered.Task.WaitAsync(Ct);
        using (HttpResponseMessage busy = await node.Http.PostAsync(url, new StringContent("x"), Ct))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, busy.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(1), busy.Headers.RetryAfter!.Delta);
        }

        go.SetResult();
        Assert.Equal((HttpStatusCode.OK, null), await first);

        node.Gate.OnPack = () => throw new IOException("No space left on device", 28);
        Assert.Equal(((HttpStatusCode)507, "DiskFull"), await UploadAsync(node, url, "x"));
    }

    [Fact]
    public async Task Below_the_headroom_uploads_are_refused_before_they_are_read()
    {
        await using TestNode node = await TestNode.StartAsync(new GatewayLimits { FreeBytesMin = long.MaxValue });
        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), cancellationToken: Ct);
        node.Gate.OnPack = () => throw new InvalidOperationException("It was read.");
        Assert.Equal(((HttpStatusCode)507, "DiskFull"), await UploadAsync(node, begun.UploadUrl, "x"));
    }

    [Fact]
    public async Task With_tokens_on_every_call_and_upload_needs_one_and_readers_need_none()
    {
        await using TestNode node = await TestNode.StartAsync(tokens: AccessTokens.Of(["correct-horse"]));
        node.Folder.Write($"cvmfs/{Repository}/.cvmfspublished", "C0");
        await RefusedAsync("Unauthorized", StatusCode.Unauthenticated, () => node.Publishing.GetStatusAsync(new GetStatusRequest()));
        await RefusedAsync("Unauthorized", StatusCode.Unauthenticated, () => node.Publishing.GetStatusAsync(new GetStatusRequest(), new Metadata { { "authorization", "Bearer battery-staple" } }));
        var headers = new Metadata { { "authorization", "Bearer correct-horse" } };
        await node.Publishing.GetStatusAsync(new GetStatusRequest(), headers, cancellationToken: Ct);
        BeginReply begun = await node.Publishing.BeginAsync(Begin(last: true, (PathA, 7)), headers, cancellationToken: Ct);

        Assert.Equal((HttpStatusCode.Unauthorized, "Unauthorized"), await UploadAsync(node, begun.UploadUrl, "x"));
        node.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "correct-horse");
        Assert.Equal((HttpStatusCode.OK, null), await UploadAsync(node, begun.UploadUrl, "x"));
        node.Http.DefaultRequestHeaders.Authorization = null;
        Assert.Equal("C0", await node.Http.GetStringAsync($"/cvmfs/{Repository}/.cvmfspublished", Ct));
    }

    [Fact]
    public async Task A_wait_for_replicas_answers_who_serves_it_or_names_who_does_not()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Core.Revision = 7;
        var wait = new WaitRequest { Repository = Repository, Revision = 7, ForReplicas = "all", TimeoutMs = 60_000 };
        Assert.Empty((await node.Publishing.WaitAsync(wait, cancellationToken: Ct)).Replicas);

        node.Replication.Replicas.AddRange([FakeReplication.Summary("b", 7), FakeReplication.Summary("a", 6, problem: "the disk is full"), FakeReplication.Summary("c", 1, paused: true)]);
        RpcException late = await Assert.ThrowsAsync<RpcException>(async () => await node.Publishing.WaitAsync(wait, cancellationToken: Ct));
        Assert.Equal(StatusCode.DeadlineExceeded, late.StatusCode);
        Assert.Contains("a (site geneva) serves revision 6: the disk is full", late.Status.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("c (site", late.Status.Detail, StringComparison.Ordinal);

        wait.ForReplicas = "replicas=1";
        WaitReply reply = await node.Publishing.WaitAsync(wait, cancellationToken: Ct);
        Assert.Equal(("b", "geneva", 7UL), (reply.Replicas.Single().Replica, reply.Replicas.Single().Site, reply.Replicas.Single().Revision));
    }

    [Fact]
    public async Task Replicas_are_listed_and_changed_and_one_that_is_not_there_is_refused()
    {
        await using TestNode node = await TestNode.StartAsync();
        node.Replication.Replicas.AddRange([FakeReplication.Summary("a", 6), FakeReplication.Summary("b", 7)]);
        Assert.Equal(["a", "b"], (await node.Publishing.ListReplicasAsync(new ListReplicasRequest(), cancellationToken: Ct)).Replicas.Select(r => r.Replica));
        var one = Assert.Single((await node.Publishing.ListReplicasAsync(new ListReplicasRequest { Replica = "b" }, cancellationToken: Ct)).Replicas);
        Assert.Equal(("following", 7UL, 3UL), (one.State, one.Revision, one.LagRevisions));

        var pause = new ChangeReplicaRequest { Replica = "a", Action = ReplicaAction.ReplicaPause };
        Assert.Equal("paused", Assert.Single((await node.Publishing.ChangeReplicaAsync(pause, cancellationToken: Ct)).Replicas).State);
        await node.Publishing.ChangeReplicaAsync(new ChangeReplicaRequest { Replica = "b", Action = ReplicaAction.ReplicaScrub, BytesPerSecond = 9 }, cancellationToken: Ct);
        Assert.Equal(
            [(ReplicaId.Parse("a"), (ReplicaChange)new ReplicaChange.Pause()), (ReplicaId.Parse("b"), new ReplicaChange.Scrub(9))], node.Replication.Changes);

        await RefusedAsync("UnknownReplica", StatusCode.NotFound, () => node.Publishing.ListReplicasAsync(new ListReplicasRequest { Replica = "x" }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => node.Publishing.ChangeReplicaAsync(new ChangeReplicaRequest { Replica = "a" }));
        await RefusedAsync("InvalidRequest", StatusCode.InvalidArgument, () => node.Publishing.ListReplicasAsync(new ListReplicasRequest { Replica = "a/b" }));
    }

    private async Task<AddPathsReply> AddAsync(TestNode node, params string[] paths)
    {
        using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call = node.Publishing.AddPaths(cancellationToken: Ct);
        await call.RequestStream.WriteAsync(new AddPathsRequest { Header = new AddPathsHeader { Repository = Repository, Transaction = _id } }, Ct);
        foreach (string path in paths)
        {
            await call.RequestStream.WriteAsync(new AddPathsRequest { Path = PathAssemblerTests.Header(path) }, Ct);
            await call.RequestStream.WriteAsync(new AddPathsRequest { Tree = PathAssemblerTests.Part(PathAssemblerTests.File("")) }, Ct);
            await call.RequestStream.WriteAsync(new AddPathsRequest { End = new PathEnd() }, Ct);
        }

        await call.RequestStream.CompleteAsync();
        return await call.ResponseAsync;
    }

    private static async Task<(HttpStatusCode Status, string? Code)> UploadAsync(TestNode node, string url, string body)
    {
        using HttpResponseMessage response = await node.Http.PostAsync(url, new StringContent(body), Ct);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Ct));
        return (response.StatusCode, answer.RootElement.TryGetProperty("error", out JsonElement error) ? error.GetProperty("code").GetString() : null);
    }

    private static async Task RefusedAsync<T>(string code, StatusCode status, Func<AsyncUnaryCall<T>> call)
    {
        RpcException e = await Assert.ThrowsAsync<RpcException>(async () => await call());
        Assert.Equal((code, status), (Detail(e).Code, e.StatusCode));
    }

    private static ErrorDetail Detail(RpcException e) => ErrorDetail.Parser.ParseFrom(e.Trailers.GetValueBytes(ErrorMapping.DetailTrailer));

    private BeginRequest Begin(bool last, params (string Path, int Fill)[] paths)
    {
        var request = new BeginRequest { Repository = Repository, Transaction = _id, RequestDigest = PathAssemblerTests.Bytes(32), Last = last };
        request.Paths.AddRange(paths.Select(Query));
        return request;
    }

    private FindPathsRequest Find(bool last, params (string Path, int Fill)[] paths)
    {
        var request = new FindPathsRequest { Repository = Repository, Transaction = _id, Last = last };
        request.Paths.AddRange(paths.Select(Query));
        return request;
    }

    private SealRequest Seal() => new() { Repository = Repository, Transaction = _id, RequestDigest = PathAssemblerTests.Bytes(32) };

    private static PathQuery Query((string Path, int Fill) path) => new() { Path = path.Path, NarHash = ByteString.CopyFrom(Hash(path.Fill).ToArray()) };

    private static NarHash Hash(int fill) => new([.. Enumerable.Repeat((byte)fill, 32)]);
}
