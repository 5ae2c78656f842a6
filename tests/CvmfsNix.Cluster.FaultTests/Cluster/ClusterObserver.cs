using Akka.Actor;
using Akka.Configuration;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.TestKit.Processes;
using static CvmfsNix.Cluster.Model.Recovery.RecoveryProtocol;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>Asks living actors in the nodes' processes for what they hold, over the nodes' own protocol and without being a member.</summary>
internal sealed class ClusterObserver : IAsyncDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    private readonly ActorSystem _system = ActorSystem.Create("observer", ConfigurationFactory.ParseString($$"""
        akka {
          loglevel = OFF
          stdout-loglevel = OFF
          actor {
            provider = remote
            serializers.cvmfsnix = "{{typeof(ClusterSerializer).FullName}}, {{typeof(ClusterSerializer).Assembly.GetName().Name}}"
            serialization-bindings {
              {{string.Join('\n', new[] { typeof(GetLedgerState), typeof(GetWriterState), typeof(StateIs) }.Select(t => $"\"{t.FullName}, {t.Assembly.GetName().Name}\" = cvmfsnix"))}}
            }
          }
          remote.dot-netty.tcp {
            hostname = "127.0.0.1"
            port = 0
          }
        }
        """));

    /// <summary>A ledger's state, wherever it lives; null when there was no answer in time.</summary>
    public Task<StateIs?> LedgerAsync(ClusterNode by, string fqrn, int bucket, CancellationToken cancellationToken) =>
        AskAsync($"{by.Address}/system/sharding/ledgers", new GetLedgerState(RepositoryId.Parse(fqrn), bucket), cancellationToken);

    /// <summary>The writer's state, wherever it lives; null when there was no answer in time.</summary>
    public Task<StateIs?> WriterAsync(ClusterNode by, string fqrn, CancellationToken cancellationToken) =>
        AskAsync($"{by.Address}/user/stratum0-leader-proxy", new GetWriterState(RepositoryId.Parse(fqrn)), cancellationToken);

    public async ValueTask DisposeAsync() => await _system.Terminate();

    private async Task<StateIs?> AskAsync(string path, object question, CancellationToken cancellationToken)
    {
        try
        {
            return await _system.ActorSelection(path).Ask<StateIs>(question, AnswerWithin, cancellationToken);
        }
        catch (AskTimeoutException)
        {
            return null;
        }
    }
}
