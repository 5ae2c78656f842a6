namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>Waits for files to come into a folder: told by the kernel, and looking now and then in case it was not told.</summary>
internal sealed class Arrivals : IDisposable
{
    private readonly TimeSpan _interval;
    private readonly SemaphoreSlim _signal = new(0);
    private readonly FileSystemWatcher? _watcher;

    public Arrivals(string folder, TimeSpan interval)
    {
        _interval = interval;
        try
        {
            _watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName };
            _watcher.Created += (_, _) => _signal.Release();
            _watcher.Renamed += (_, _) => _signal.Release();
            _watcher.EnableRaisingEvents = true;
        }
        catch (IOException)
        {
            // The kernel's limit of watches is reached by others: looking has to do.
            _watcher?.Dispose();
            _watcher = null;
            _interval = TimeSpan.FromSeconds(1);
        }
    }

    /// <summary>Returns when something may have come.</summary>
    public async Task NextAsync(CancellationToken cancellationToken)
    {
        await _signal.WaitAsync(_interval, cancellationToken);

        // Many arrivals are one reason to look.
        while (_signal.Wait(0, CancellationToken.None))
        {
        }
    }

    public void Dispose()
    {
        _watcher?.Dispose();
        _signal.Dispose();
    }
}
