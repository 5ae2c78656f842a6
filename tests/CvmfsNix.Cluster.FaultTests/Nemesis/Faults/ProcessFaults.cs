using CvmfsNix.Cluster.TestKit.Processes;

namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>kill -9, and a start by the same command.</summary>
internal sealed class KillFault(ClusterNode node) : INemesisFault
{
    public Task InjectAsync(CancellationToken cancellationToken) => node.KillAsync();

    public Task HealAsync(CancellationToken cancellationToken) => node.StartAsync(cancellationToken);
}

/// <summary>SIGSTOP and SIGCONT: the process believes that no time has passed.</summary>
internal sealed class FreezeFault(ClusterNode node) : INemesisFault
{
    public Task InjectAsync(CancellationToken cancellationToken)
    {
        node.Freeze();
        return Task.CompletedTask;
    }

    public Task HealAsync(CancellationToken cancellationToken)
    {
        node.Thaw();
        return Task.CompletedTask;
    }
}
