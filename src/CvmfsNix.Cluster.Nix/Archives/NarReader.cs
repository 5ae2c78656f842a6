namespace CvmfsNix.Cluster.Nix.Archives;

public sealed class NarReader : IDisposable
{
    public NarReader(Stream nar) => throw new NotImplementedException();

    public ValueTask<NarEvent?> ReadAsync(CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public void Dispose() { }
}
