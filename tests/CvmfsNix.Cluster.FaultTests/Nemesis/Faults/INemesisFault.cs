namespace CvmfsNix.Cluster.FaultTests.Nemesis.Faults;

/// <summary>Something that goes wrong and is put right again.</summary>
internal interface INemesisFault
{
    Task InjectAsync(CancellationToken cancellationToken);

    Task HealAsync(CancellationToken cancellationToken);
}
