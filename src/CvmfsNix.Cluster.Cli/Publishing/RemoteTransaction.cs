using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Store.Ingest;
using CvmfsNix.Cluster.Store.Trees;
using Google.Protobuf;
using Grpc.Core;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// An open transaction on one gateway, as the ingest sees it. Paths are handed in several streams at once, since the
/// gateway recomputes every NAR hash: call <see cref="CompleteAsync"/> before sealing.
/// </summary>
internal sealed class RemoteTransaction : IPublishTarget, IAsyncDisposable
{
    private const int PathsPerStreamMax = 64;
    private const long NarBytesPerStreamMax = 32L << 20;
    private const int StreamsMax = 4;
    private const int DigestsPerQuestionMax = 4096;
    private const int PackAttemptsMax = 60;
    private static readonly TimeSpan OverloadWait = TimeSpan.FromSeconds(1);

    private readonly ControlServer _server;
    private readonly PackUpload _packs;
    private readonly string _repository;
    private readonly string _transaction;
    private readonly Uri _uploadUrl;
    private readonly TimeSpan _answerTime;
    private readonly SemaphoreSlim _streams = new(StreamsMax);
    private readonly List<Task> _running = [];
    private List<PathUpload> _batch = [];
    private long _batchBytes;

    public RemoteTransaction(ControlServer server, PackUpload packs, string repository, string transaction, BeginReply begun, TimeSpan answerTime)
    {
        _server = server;
        _packs = packs;
        _repository = repository;
        _transaction = transaction;
        _uploadUrl = new Uri(begun.UploadUrl, UriKind.Absolute);
        _answerTime = answerTime;
        HashAlgorithm = begun.HashAlgorithm == "shake128" ? HashAlgorithmId.Shake128 : HashAlgorithmId.Sha1;
    }

    public HashAlgorithmId HashAlgorithm { get; }

    public async Task<IReadOnlyList<Store.Trees.StoredContent?>> FindContentAsync(IReadOnlyList<ContentDigest> digests, CancellationToken cancellationToken)
    {
        var found = new List<Store.Trees.StoredContent?>(digests.Count);
        foreach (ContentDigest[] part in digests.Chunk(DigestsPerQuestionMax))
        {
            var request = new FindContentRequest { Repository = _repository, Transaction = _transaction };
            request.Sha256.AddRange(part.Select(d => ByteString.CopyFrom(d.ToArray())));
            FindContentReply reply = await _server.AskAsync(
                (client, options) => client.FindContentAsync(request, options), _answerTime, cancellationToken);
            if (reply.Contents.Count != part.Length)
                throw new Output.CliException("ProtocolError", $"The node answered {reply.Contents.Count} of {part.Length} questions.", _server.Address.ToString(), "node and cvmfsnix are of versions that do not fit", CommandLine.ExitCode.Unknown);
            found.AddRange(reply.Contents.Select(c => UploadMessages.ToContent(c, HashAlgorithm)));
        }

        return found;
    }

    public async Task UploadPackAsync(Func<Stream, CancellationToken, Task> writePack, CancellationToken cancellationToken)
    {
        // A busy gateway asks for this pack once more, not for the whole transaction.
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await _packs.SendAsync(_uploadUrl, writePack, cancellationToken);
                return;
            }
            catch (Output.CliException e) when (e.Code == "Overloaded" && attempt < PackAttemptsMax)
            {
                await Task.Delay((e.RetryAfter ?? OverloadWait) * (0.5 + Random.Shared.NextDouble()), cancellationToken);
            }
        }
    }

    public async Task AddPathAsync(PathUpload upload, CancellationToken cancellationToken)
    {
        _batch.Add(upload);
        _batchBytes += upload.Info.NarSize;
        if (_batch.Count >= PathsPerStreamMax || _batchBytes >= NarBytesPerStreamMax)
            await StartStreamAsync(cancellationToken);
    }

    /// <summary>Waits until the gateway has verified every path handed in.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        if (_batch.Count > 0)
            await StartStreamAsync(cancellationToken);
        await Task.WhenAll(_running);
        _running.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        // Left-over streams belong to a failed attempt, whose failure is known already.
        await Task.WhenAll(_running).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _streams.Dispose();
    }

    private async Task StartStreamAsync(CancellationToken cancellationToken)
    {
        await _streams.WaitAsync(cancellationToken);
        Task? failed = _running.Find(t => t.IsFaulted || t.IsCanceled);
        if (failed is not null)
        {
            _streams.Release();
            await failed;
        }

        _running.RemoveAll(t => t.IsCompletedSuccessfully);
        List<PathUpload> paths = _batch;
        _batch = [];
        _batchBytes = 0;
        _running.Add(SendAsync(paths, cancellationToken));
    }

    private async Task SendAsync(List<PathUpload> paths, CancellationToken cancellationToken)
    {
        try
        {
            using AsyncClientStreamingCall<AddPathsRequest, AddPathsReply> call =
                _server.Client.AddPaths(_server.Options(null, cancellationToken));
            try
            {
                await call.RequestStream.WriteAsync(
                    new AddPathsRequest { Header = new AddPathsHeader { Repository = _repository, Transaction = _transaction } }, cancellationToken);
                foreach (PathUpload path in paths)
                {
                    foreach (AddPathsRequest message in UploadMessages.Of(path))
                        await call.RequestStream.WriteAsync(message, cancellationToken);
                }

                await call.RequestStream.CompleteAsync();
            }
            catch (Exception e) when (e is InvalidOperationException or RpcException || RpcFailure.IsBrokenConnection(e))
            {
                // The node ended the call before we had said everything; the answer tells why.
                await call.ResponseAsync;
                throw;
            }

            await call.ResponseAsync;
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw RpcFailure.From(e, _server.Address);
        }
        catch (Exception e) when (RpcFailure.IsBrokenConnection(e))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw RpcFailure.Broken(e, _server.Address);
        }
        finally
        {
            _streams.Release();
        }
    }
}
