using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Trees;
using Grpc.Core;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>
/// Takes streams of paths. Paths are verified in parallel, over all streams at most <see cref="GatewayLimits.VerificationsMax"/> at a time; a
/// stream is read on only while few of its paths wait, so that a builder that sends faster than we verify is slowed, not buffered. Paths that
/// take seconds never have all the places: a small publish does not wait for somebody's large one.
/// </summary>
public sealed class PathStream(GatewaySessions sessions, IRepositoryGate gate, GatewayLimits limits) : IDisposable
{
    private readonly int _verifyingMax = limits.VerificationsMax;
    private const long LargeNarBytes = 16L << 20;

    private readonly SemaphoreSlim _verifying = new(limits.VerificationsMax);
    private readonly SemaphoreSlim _verifyingLarge = new(Math.Max(1, limits.VerificationsMax - 1));

    /// <summary>Reads a stream to its end.</summary>
    /// <returns>The paths verified; all of them.</returns>
    /// <exception cref="NodeException">The stream is malformed, or its transaction is not open.</exception>
    public async Task<long> ReceiveAsync(IAsyncStreamReader<AddPathsRequest> stream, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!await stream.MoveNext(ct) || stream.Current.ItemCase != AddPathsRequest.ItemOneofCase.Header)
            throw Requests.Invalid("stream of paths", "Its first message is not the header.");
        AddPathsHeader header = stream.Current.Header;
        await using SessionUse use = sessions.Get(Requests.Repository(header.Repository), Requests.Transaction(header.Transaction));
        if (use.Session.Bundle is not null)
            throw new NodeException(GatewaySessions.NotOpen(use.Session.Id));
        var verifications = new Verifications(this, use.Session.Staging, ct);
        return await verifications.RunAsync(stream, new PathAssembler(gate.Format(header.Repository).HashAlgorithm));
    }

    /// <summary>Verifies one path in its turn.</summary>
    /// <param name="staging">Of its transaction.</param>
    /// <param name="upload">The path.</param>
    /// <param name="ct">Gives up.</param>
    public Task AddAsync(IStaging staging, PathUpload upload, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(staging);
        ArgumentNullException.ThrowIfNull(upload);
        return upload.Info.NarSize >= LargeNarBytes
            ? InTurnAsync(_verifyingLarge, () => InTurnAsync(_verifying, () => staging.AddPathAsync(upload, ct), ct), ct)
            : InTurnAsync(_verifying, () => staging.AddPathAsync(upload, ct), ct);
    }

    private static async Task InTurnAsync(SemaphoreSlim places, Func<Task> work, CancellationToken ct)
    {
        await places.WaitAsync(ct);
        try
        {
            await work();
        }
        finally
        {
            places.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _verifying.Dispose();
        _verifyingLarge.Dispose();
    }

    // One stream: its reader and the verifications under way. The first failure stops the reader and is what the stream answers.
    private sealed class Verifications(PathStream owner, IStaging staging, CancellationToken ct)
    {
        private readonly int _waitingMax = 2 * owner._verifyingMax;
        private readonly List<Task> _running = [];
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        private Exception? _failure;
        private long _paths;

        public async Task<long> RunAsync(IAsyncStreamReader<AddPathsRequest> stream, PathAssembler assembler)
        {
            try
            {
                while (await stream.MoveNext(_stop.Token))
                    await TakeAsync(stream.Current, assembler);
                if (assembler.InPath)
                    throw Requests.Invalid("stream of paths", "It ends inside a path.");
                await Task.WhenAll(_running);
            }
            catch (Exception e)
            {
                Fail(e);
                await Task.WhenAll(_running);
            }
            finally
            {
                _stop.Dispose();
            }

            if (_failure is not null)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
            return _paths;
        }

        private async Task TakeAsync(AddPathsRequest message, PathAssembler assembler)
        {
            switch (message.ItemCase)
            {
                case AddPathsRequest.ItemOneofCase.Path:
                    assembler.Begin(message.Path);
                    break;
                case AddPathsRequest.ItemOneofCase.Tree:
                    assembler.Add(message.Tree);
                    break;
                case AddPathsRequest.ItemOneofCase.End:
                    PathUpload upload = assembler.End();
                    if (_running.Count >= _waitingMax)
                        _running.Remove(await Task.WhenAny(_running));
                    _stop.Token.ThrowIfCancellationRequested();
                    _running.Add(Task.Run(() => VerifyAsync(upload), CancellationToken.None));
                    break;
                default:
                    throw Requests.Invalid("stream of paths", "A message is neither path, entries nor end.");
            }
        }

        private async Task VerifyAsync(PathUpload upload)
        {
            try
            {
                await owner.AddAsync(staging, upload, _stop.Token);
                Interlocked.Increment(ref _paths);
            }
            catch (Exception e)
            {
                Fail(e);
            }
        }

        private void Fail(Exception e)
        {
            // What the cancellation itself brings about comes after the failure that caused it.
            Interlocked.CompareExchange(ref _failure, e, null);
            _stop.Cancel();
        }
    }
}
