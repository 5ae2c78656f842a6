using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Publishing;

namespace CvmfsNix.Cluster.Benchmarks.Load;

/// <summary>Builders of this process: they share connections to the servers, as the publishes of a batch do.</summary>
internal sealed class BuilderPool : IDisposable
{
    private readonly ControlPlane _control;
    private readonly PackUpload _packs = new(token: null);

    /// <param name="servers">Control addresses with commas between them.</param>
    public BuilderPool(string servers)
    {
        var silent = new Terminal(TextWriter.Null, TextWriter.Null, static () => Stream.Null, errorIsTerminal: false);
        _control = new ControlPlane(new ControlSettings([.. servers.Split(',').Select(s => new Uri(s))], null, null), silent, TimeProvider.System);
    }

    public LoadBuilder Builder(string name) => new(name, _control, _packs);

    public void Dispose()
    {
        _packs.Dispose();
        _control.Dispose();
    }
}
