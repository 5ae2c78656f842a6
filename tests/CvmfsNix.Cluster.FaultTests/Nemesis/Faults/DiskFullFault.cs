using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>The file system of a node's data folder has no byte left, and gets none back by what the node itself deletes, until it is healed.</summary>
internal sealed class DiskFullFault(ClusterNode node) : INemesisFault, IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(2);

    private readonly CancellationTokenSource _healed = new();
    private FileStream? _ballast;
    private Task _filling = Task.CompletedTask;

    private string Ballast => Path.Combine(node.Data, "ballast");

    public Task InjectAsync(CancellationToken cancellationToken)
    {
        _ballast = new FileStream(Ballast, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        Fill(_ballast);
        _filling = KeepFullAsync(_ballast, _healed.Token);
        return Task.CompletedTask;
    }

    public async Task HealAsync(CancellationToken cancellationToken)
    {
        await DisposeAsync();
        File.Delete(Ballast);
    }

    public async ValueTask DisposeAsync()
    {
        if (_healed.IsCancellationRequested)
            return;
        await _healed.CancelAsync();
        await _filling;
        if (_ballast is not null)
            await _ballast.DisposeAsync();
        _healed.Dispose();
    }

    // A node that fails to write a file removes what it has of it: room for something small, which would make the disk less than full.
    private static async Task KeepFullAsync(FileStream ballast, CancellationToken healed)
    {
        while (!healed.IsCancellationRequested)
        {
            await Task.Delay(Every, healed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Fill(ballast);
        }
    }

    private static void Fill(FileStream ballast)
    {
        foreach (int size in (int[])[1 << 20, 1 << 12])
        {
            byte[] zeros = new byte[size];
            try
            {
                while (true)
                    ballast.Write(zeros);
            }
            catch (IOException)
            {
                // Full, which is what was wanted.
            }
        }
    }
}
