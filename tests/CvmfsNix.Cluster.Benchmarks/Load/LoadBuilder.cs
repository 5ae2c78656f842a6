using System.Diagnostics;
using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Publishing;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Grpc.Core;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>An answer, and when.</summary>
/// <param name="Publish">What was asked for.</param>
/// <param name="Revision">It is in.</param>
/// <param name="Began">Timestamp of the first call.</param>
/// <param name="Answered">Timestamp of the answer.</param>
/// <param name="SealedAfter">Milliseconds from the first call to the call for the seal of the attempt that was answered.</param>
/// <param name="Attempts">1 = nothing failed.</param>
internal sealed record LoadAnswer(LoadPublish Publish, ulong Revision, long Began, long Answered, double SealedAfter, int Attempts)
{
    public double Milliseconds => Stopwatch.GetElapsedTime(Began, Answered).TotalMilliseconds;
}

/// <summary>
/// A builder with a name of its own, so that nodes tell it from the others of this machine. It asks as the command line does: which paths, which
/// contents, a pack, the paths, the seal; and goes on with another server under the same transaction when one fails.
/// </summary>
internal sealed class LoadBuilder(string name, ControlPlane control, PackUpload packs)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Publishes, whatever it takes.</summary>
    /// <param name="publish">What.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <param name="sealing">Called before every call for a seal.</param>
    /// <exception cref="CliException">It was refused for good, or nobody answered for a minute.</exception>
    public async Task<LoadAnswer> PublishAsync(LoadPublish publish, CancellationToken cancellationToken, Action? sealing = null)
    {
        long began = Stopwatch.GetTimestamp();
        var retry = new RetryPolicy(control.Clock, null, Patience, unreachableAttempts: null);
        ServerRoute route = control.NewRoute();
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                double sealedAfter = 0;
                TransactionOutcome outcome = await AttemptAsync(route.Current, publish, retry, Sealing, cancellationToken);
                return new LoadAnswer(publish, outcome.Revision, began, Stopwatch.GetTimestamp(), sealedAfter, attempt);

                void Sealing()
                {
                    sealedAfter = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                    sealing?.Invoke();
                }
            }
            catch (CliException e) when (e.Transient || RpcFailure.AsksForStagingAgain(e.Code))
            {
                var failure = new CliException(e.Code, e.Message, e.What, e.Hint, e.ExitCode, e) { Transient = true, RetryAfter = e.RetryAfter, Unreachable = e.Unreachable };
                TimeSpan? advice = route.Leave(failure);
                await Task.Delay(retry.NextWait(failure, advice) ?? throw failure, cancellationToken);
            }
        }
    }

    private async Task<TransactionOutcome> AttemptAsync(ControlServer server, LoadPublish publish, RetryPolicy retry, Action sealing, CancellationToken cancellationToken)
    {
        BeginReply begun = await server.AskAsync((client, options) => client.BeginAsync(publish.Question(name), options), control.AnswerTime, cancellationToken);
        retry.Succeeded();
        TransactionOutcome? known = begun.Outcome;
        if (known is null)
            await SendAsync(server, publish, begun, cancellationToken);
        if (known is null or { State: TransactionState.Sealed })
        {
            sealing();
            var seal = new SealRequest { Repository = publish.Repository, Transaction = publish.Transaction, RequestDigest = publish.Digest, Builder = name };
            known = await server.AskAsync((client, options) => client.SealAsync(seal, options), null, cancellationToken);
        }

        return known.State == TransactionState.Committed
            ? known
            : throw new CliException(known.Reason?.Code ?? known.State.ToString(), known.Reason?.Message ?? "It was not committed.", publish.Transaction, "");
    }

    private async Task SendAsync(ControlServer server, LoadPublish publish, BeginReply begun, CancellationToken cancellationToken)
    {
        IReadOnlyList<PathUpload> missing = publish.Missing(begun.Paths.Presence);
        if (missing.Count == 0)
            return;
        IReadOnlyList<ContentDigest> contents = LoadPublish.ContentsOf(missing);
        var question = new FindContentRequest { Repository = publish.Repository, Transaction = publish.Transaction };
        question.Sha256.AddRange(contents.Select(d => ByteString.CopyFrom(d.ToArray())));
        FindContentReply found = await server.AskAsync((client, options) => client.FindContentAsync(question, options), control.AnswerTime, cancellationToken);
        ContentDigest[] wanted = [.. contents.Where((_, i) => found.Contents[i].Size < 0)];
        if (wanted.Length > 0)
            await UploadAsync(new Uri(begun.UploadUrl), publish, wanted, cancellationToken);
        await AddPathsAsync(server, publish, missing, cancellationToken);
    }

    // A busy gateway asks for the pack once more, not for the whole transaction.
    private async Task UploadAsync(Uri url, LoadPublish publish, ContentDigest[] wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await packs.SendAsync(url, (stream, ct) => publish.WritePackAsync(wanted, stream, ct), cancellationToken);
                return;
            }
            catch (CliException e) when (e.Code == "Overloaded")
            {
                await Task.Delay((e.RetryAfter ?? TimeSpan.FromSeconds(1)) * (0.5 + Random.Shared.NextDouble()), cancellationToken);
            }
        }
    }

    private static async Task AddPathsAsync(ControlServer server, LoadPublish publish, IReadOnlyList<PathUpload> paths, CancellationToken cancellationToken)
    {
        try
        {
            using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call = server.Client.AddPaths(server.Options(null, cancellationToken));
            try
            {
                await call.RequestStream.WriteAsync(new AddPathsRequest { Header = new AddPathsHeader { Repository = publish.Repository, Transaction = publish.Transaction } }, cancellationToken);
                foreach (AddPathsRequest message in paths.SelectMany(UploadMessages.Of))
                    await call.RequestStream.WriteAsync(message, cancellationToken);
                await call.RequestStream.CompleteAsync();
            }
            catch (Exception e) when (e is InvalidOperationException or RpcException || RpcFailure.IsBrokenConnection(e))
            {
                // The answer tells why the node had enough.
                await call.ResponseAsync;
                throw;
            }

            await call.ResponseAsync;
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw RpcFailure.From(e, server.Address);
        }
        catch (Exception e) when (RpcFailure.IsBrokenConnection(e))
        {
            throw RpcFailure.Broken(e, server.Address);
        }
    }
}
