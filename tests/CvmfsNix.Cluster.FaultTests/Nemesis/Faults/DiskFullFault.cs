using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>The file system of a node's data folder has no byte left.</summary>
internal sealed class DiskFullFault(ClusterNode node) : INemesisFault
{
    private string Ballast => Path.Combine(node.Data, "ballast");

    public async Task InjectAsync(CancellationToken cancellationToken)
    {
        var zeros = new byte[1 << 20];
        try
        {
            await using FileStream file = new(Ballast, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            while (true)
                await file.WriteAsync(zeros, cancellationToken);
        }
        catch (IOException)
        {
            // Full, which is what was wanted.
        }
    }

    public Task HealAsync(CancellationToken cancellationToken)
    {
        File.Delete(Ballast);
        return Task.CompletedTask;
    }
}
