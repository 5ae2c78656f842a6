using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Ingest;

/// <summary>
/// The builder's side of a publish.
/// <code>
/// path → read once: digests, NAR hash ─► which contents are missing? ─► compress, cut ─► packs ─► hand the path in
///        several paths at once            asked in batches              all cores         several uploads   one by one, in order
/// </code>
/// The same content is sent once, however many files of the run have it. Memory is bounded by the options; nothing is written to disk.
/// </summary>
/// <param name="target">The transaction to publish into.</param>
/// <param name="options">How to use the machine.</param>
/// <param name="progress">Told after every path and pack.</param>
public sealed class IngestPipeline(IPublishTarget target, IngestOptions options, IProgress<IngestProgress>? progress = null)
{
    /// <summary>Publishes paths, each read from a place on disk (raw bytes), and hands them in in the order given: references first.</summary>
    /// <exception cref="IngestException">A path is not what Nix registered; nothing of it was sent.</exception>
    /// <exception cref="Nix.Files.FileChangedException">A file changed while it was published.</exception>
    /// <exception cref="Nix.Files.DiskAccessException">A file cannot be read.</exception>
    /// <exception cref="Nix.Files.UnsupportedFileTypeException">A tree holds a device, socket or FIFO.</exception>
    public async Task<IngestResult> RunAsync(IReadOnlyList<(PathInfo Info, byte[] DiskPath)> paths, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(paths);
        using var run = new Run(target, options, progress, paths.Count, cancellationToken);
        return await run.PublishAsync(paths).ConfigureAwait(false);
    }

    private sealed class Run : IDisposable
    {
        // Paths of any size that have room in memory at the same time.
        private const int RoomsMin = 4;

        private readonly IPublishTarget _target;
        private readonly IngestOptions _options;
        private readonly IProgress<IngestProgress>? _progress;
        private readonly int _pathsTotal;
        private readonly CancellationTokenSource _stop;
        private readonly SemaphoreSlim _readers;
        private readonly SemaphoreSlim _compressors;
        private readonly ByteBudget _budget;
        private readonly PackSender _packs;
        private readonly PathScanner _scanner;
        private readonly ContentQuestions _questions;
        private readonly ContentSender _sender;
        private Exception? _error;
        private int _pathsDone;
        private long _bytesRead;
        private long _bytesSent;
        private long _bytesStored;
        private long _objectsSent;

        public Run(IPublishTarget target, IngestOptions options, IProgress<IngestProgress>? progress, int pathsTotal, CancellationToken cancellationToken)
        {
            _target = target;
            _options = options;
            _progress = progress;
            _pathsTotal = pathsTotal;
            _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // Reading and compressing have slots of their own, so that neither gets far ahead of the other or starves it.
            _readers = new SemaphoreSlim(options.Parallelism);
            _compressors = new SemaphoreSlim(options.Parallelism);
            _budget = new ByteBudget(options.InFlightBytesMax);
            _packs = new PackSender(target, options, PackSent, Fail, _stop.Token);
            _scanner = new PathScanner(new ContentTable(), bytes => Interlocked.Add(ref _bytesRead, bytes), _stop.Token);
            _questions = new ContentQuestions(target, Fail, _stop.Token);
            _sender = new ContentSender(target.HashAlgorithm, options, _budget, _packs, _compressors, _stop.Token);
        }

        public async Task<IngestResult> PublishAsync(IReadOnlyList<(PathInfo Info, byte[] DiskPath)> paths)
        {
            // Paths are begun in order and handed in in order; the channel's bound is how far the first are ahead of the last.
            var begun = Channel.CreateBounded<Task<PathUpload>>(_options.PathsInFlight);
            Task beginning = BeginAsync(paths, begun.Writer);
            try
            {
                await foreach (Task<PathUpload> path in begun.Reader.ReadAllAsync(_stop.Token).ConfigureAwait(false))
                {
                    PathUpload upload = await path.ConfigureAwait(false);
                    await _target.AddPathAsync(upload, _stop.Token).ConfigureAwait(false);
                    Interlocked.Increment(ref _pathsDone);
                    Report();
                }

                await beginning.ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Fail(e);
                await beginning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                while (begun.Reader.TryRead(out Task<PathUpload>? path))
                    await ((Task)path).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                // What failed first, not the cancellation that it caused.
                ExceptionDispatchInfo.Throw(_error ?? e);
            }
            finally
            {
                await _packs.DrainAsync().ConfigureAwait(false);
            }

            return new IngestResult(_objectsSent, _bytesRead, _bytesSent, _bytesStored);
        }

        public void Dispose()
        {
            _packs.Dispose();
            _readers.Dispose();
            _compressors.Dispose();
            _stop.Dispose();
        }

        private async Task BeginAsync(IReadOnlyList<(PathInfo Info, byte[] DiskPath)> paths, ChannelWriter<Task<PathUpload>> begun)
        {
            try
            {
                foreach ((PathInfo info, byte[] diskPath) in paths)
                {
                    if (!await begun.WaitToWriteAsync(_stop.Token).ConfigureAwait(false))
                        return;
                    await begun.WriteAsync(PrepareAsync(info, diskPath), CancellationToken.None).ConfigureAwait(false);
                }
            }
            finally
            {
                begun.Complete();
            }
        }

        private async Task<PathUpload> PrepareAsync(PathInfo info, byte[] diskPath)
        {
            try
            {
                ScannedPath scanned = await ScanAsync(info, diskPath).ConfigureAwait(false);
                await SendMissingAsync(scanned).ConfigureAwait(false);
                foreach (ContentEntry content in scanned.Contents)
                    await content.Stored.WaitAsync(_stop.Token).ConfigureAwait(false);
                return new PathUpload(info, scanned.Root.ToTree());
            }
            catch (Exception e)
            {
                // At once, not when its turn comes: nothing is gained by reading on.
                Fail(e);
                throw;
            }
        }

        private async Task<ScannedPath> ScanAsync(PathInfo info, byte[] diskPath)
        {
            // Reading is many times as fast as compressing. A path is begun when there is room for its small files, so that they need not be read and
            // hashed once more when their turn comes.
            long most = _options.InFlightBytesMax / RoomsMin;
            long room = await _budget.TakeAsync(Math.Min(2 * Math.Min(info.NarSize, most), most), _stop.Token).ConfigureAwait(false);
            try
            {
                await _readers.WaitAsync(_stop.Token).ConfigureAwait(false);
                try
                {
                    ScannedPath scanned = await Task.Run(() => _scanner.Scan(info, diskPath, room), _stop.Token).ConfigureAwait(false);
                    room -= scanned.Files.Sum(static f => f.Taken);
                    return scanned;
                }
                finally
                {
                    _readers.Release();
                }
            }
            finally
            {
                _budget.Return(room);
            }
        }

        private async Task SendMissingAsync(ScannedPath path)
        {
            StoredContent?[] found = await _questions.AskAsync([.. path.Files.Select(f => f.Entry.Digest)]).ConfigureAwait(false);
            List<ScannedFile> missing = [];
            for (int i = 0; i < found.Length; i++)
            {
                ScannedFile file = path.Files[i];
                if (found[i] is { } content)
                {
                    file.Entry.Set(content);
                    if (file.Kept is { } kept)
                    {
                        kept.Return();
                        _budget.Return(file.Taken);
                    }
                }
                else
                {
                    missing.Add(file);
                }
            }

            if (missing.Count == 0)
                return;
            _packs.Begin(missing.Count);
            // Files in memory first: the others wait for budget, which these hold.
            await SendAllAsync(missing.Where(f => f.Kept is not null)).ConfigureAwait(false);
            await SendAllAsync(missing.Where(f => f.Kept is null)).ConfigureAwait(false);
        }

        private Task SendAllAsync(IEnumerable<ScannedFile> files) => Parallel.ForEachAsync(
            files,
            new ParallelOptions { MaxDegreeOfParallelism = _options.Parallelism, CancellationToken = _stop.Token },
            async (file, _) =>
            {
                await _sender.SendAsync(file).ConfigureAwait(false);
                await _packs.EndAsync().ConfigureAwait(false);
            });

        private void PackSent(long objects, long bytes, long storedBytes)
        {
            Interlocked.Add(ref _objectsSent, objects);
            Interlocked.Add(ref _bytesSent, bytes);
            Interlocked.Add(ref _bytesStored, storedBytes);
            Report();
        }

        private void Report() => _progress?.Report(new IngestProgress(
            Volatile.Read(ref _pathsDone),
            _pathsTotal,
            Interlocked.Read(ref _bytesRead),
            Interlocked.Read(ref _bytesSent),
            Interlocked.Read(ref _objectsSent)));

        private void Fail(Exception error)
        {
            if (Interlocked.CompareExchange(ref _error, error, null) is null)
                _stop.Cancel();
        }
    }
}
