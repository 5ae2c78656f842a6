using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Verify.Running;

/// <summary>What all parts of one check share: source, options, findings, numbers, scratch folder. Thread-safe.</summary>
internal sealed class VerifyRun : IDisposable
{
    private const int Attempts = 3;
    private const long ReportMilliseconds = 100;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(200);

    private readonly IProgress<VerifyProgress>? _progress;
    private long _catalogsDone;
    private long _catalogsKnown;
    private long _entries;
    private long _objectsDone;
    private long _objectsKnown;
    private long _bytes;
    private long _narDone;
    private long _narKnown;
    private long _reportedAt;
    private long _files;

    public VerifyRun(IRepositorySource source, VerifyOptions options, IProgress<VerifyProgress>? progress)
    {
        Source = source;
        Options = options;
        _progress = progress;
        Findings = new FindingCollector(options.FindingsMax);
        Scratch = options.ScratchDirectory is { } parent
            ? Directory.CreateDirectory(Path.Combine(parent, Guid.NewGuid().ToString("N"))).FullName
            : Directory.CreateTempSubdirectory("cvmfs-verify-").FullName;
    }

    public IRepositorySource Source { get; }

    public VerifyOptions Options { get; }

    public FindingCollector Findings { get; }

    /// <summary>Private folder for scratch files.</summary>
    public string Scratch { get; }

    public long Catalogs => Interlocked.Read(ref _catalogsDone);

    public long Entries => Interlocked.Read(ref _entries);

    public long Bytes => Interlocked.Read(ref _bytes);

    public long NarPaths => Interlocked.Read(ref _narDone);

    /// <summary>A new name in the scratch folder.</summary>
    public string ScratchFile(string kind) => Path.Combine(Scratch, $"{Interlocked.Increment(ref _files)}.{kind}");

    public void FoundCatalogs(long count) => Count(ref _catalogsKnown, count);

    public void DidCatalog(long entries)
    {
        Interlocked.Add(ref _entries, entries);
        Count(ref _catalogsDone, 1);
    }

    public void FoundObjects(long count) => Count(ref _objectsKnown, count);

    public void DidObject() => Count(ref _objectsDone, 1);

    public void ReadBytes(long count) => Count(ref _bytes, count);

    public void FoundStorePaths(long count) => Count(ref _narKnown, count);

    public void DidStorePath() => Count(ref _narDone, 1);

    /// <summary>Tells how far it is, now.</summary>
    public void Report() => _progress?.Report(new VerifyProgress(
        Catalogs, Interlocked.Read(ref _catalogsKnown), Entries, Interlocked.Read(ref _objectsDone), Interlocked.Read(ref _objectsKnown), Bytes,
        NarPaths, Interlocked.Read(ref _narKnown), Findings.Count));

    /// <summary>Asks the source, again after a failure; absence is an answer, no failure.</summary>
    /// <exception cref="RepositoryUnreachableException">It failed too often.</exception>
    public async Task<T> AskAsync<T>(Func<CancellationToken, Task<T>> question, CancellationToken cancellationToken)
    {
        TimeSpan pause = FirstPause;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await question(cancellationToken).ConfigureAwait(false);
            }
            catch (RepositoryUnreachableException) when (attempt < Attempts)
            {
                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
                pause *= 4;
            }
            catch (IOException e) when (e is not RepositoryUnreachableException)
            {
                throw new RepositoryUnreachableException($"{Source.Description} cannot be checked: {e.Message}", e);
            }
        }
    }

    /// <summary>True when the source has the file.</summary>
    public Task<bool> ExistsAsync(string relativePath, CancellationToken cancellationToken) =>
        AskAsync(token => Source.ExistsAsync(relativePath, token), cancellationToken);

    /// <summary>A small named file whole; null when it is not there, the first bytes when it is longer than <paramref name="max"/>.</summary>
    public Task<byte[]?> ReadNamedAsync(string relativePath, int max, CancellationToken cancellationToken) => AskAsync<byte[]?>(
        async token =>
        {
            Stream? stream = await Source.OpenAsync(relativePath, token).ConfigureAwait(false);
            if (stream is null)
                return null;
            await using (stream.ConfigureAwait(false))
            {
                var buffer = new byte[max + 1];
                int length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, token).ConfigureAwait(false);
                ReadBytes(length);
                return buffer[..length];
            }
        },
        cancellationToken);

    public void Dispose()
    {
        try
        {
            Directory.Delete(Scratch, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone already: nothing is left behind, which is all that is wanted.
        }
    }

    private void Count(ref long number, long by)
    {
        Interlocked.Add(ref number, by);
        if (_progress is null)
            return;
        long now = Environment.TickCount64, last = Interlocked.Read(ref _reportedAt);
        if (now - last >= ReportMilliseconds && Interlocked.CompareExchange(ref _reportedAt, now, last) == last)
            Report();
    }
}
