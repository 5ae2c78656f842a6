using Akka.Configuration;
using Akka.Persistence.Sql;
using CvmfsNix.Cluster.Actors.Journal;

namespace CvmfsNix.Cluster.Actors.Hosting;

/// <summary>
/// Settings of the actor system. Timings are a measured set: with them a lost leader is replaced in about four seconds, and four busy loops
/// on two cores make no node suspect another.
/// </summary>
internal static class ClusterConfiguration
{
    /// <param name="options">Of the node.</param>
    /// <param name="database">Of the journal.</param>
    /// <param name="port">Remoting port; 0 = any free one.</param>
    public static Config Build(CoreOptions options, IJournalDatabase database, int port)
    {
        var host = options.PublicHost ?? options.RemotingHost;
        var t = TimingProfile.Of(options.Timing);
        var roles = string.Join(", ", options.Roles.Select(Quote));
        return ConfigurationFactory.ParseString($$"""
            akka {
              actor.provider = cluster
              remote {
                retry-gate-closed-for = 1s
                dot-netty.tcp {
                  hostname = {{Quote(options.RemotingHost)}}
                  port = {{port}}
                  # On, a second process could open the same port, and each would get a part of the other's messages. A port whose
                  # last owner was killed is free again without it.
                  tcp-reuse-addr = off
                  public-hostname = {{Quote(host)}}
                  connection-timeout = 5s
                  batching.max-pending-writes = 30
                }
              }
              cluster {
                roles = [{{roles}}]
                seed-nodes = []
                seed-node-timeout = {{t.SeedNodeTimeout}}
                retry-unsuccessful-join-after = {{t.SeedNodeTimeout}}
                gossip-interval = {{t.Tick}}
                leader-actions-interval = {{t.Tick}}
                unreachable-nodes-reaper-interval = {{t.Tick}}
                periodic-tasks-initial-delay = {{t.Tick}}
                # Off would silently mean the resolver's stable-after.
                down-removal-margin = {{t.DownRemovalMargin}}
                downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
                failure-detector {
                  heartbeat-interval = {{t.Heartbeat}}
                  acceptable-heartbeat-pause = {{t.HeartbeatPause}}
                  threshold = 8.0
                  min-std-deviation = 100ms
                  expected-response-after = 5s
                }
                split-brain-resolver {
                  active-strategy = keep-majority
                  stable-after = {{t.StableAfter}}
                  down-all-when-unstable = {{t.DownAllWhenUnstable}}
                }
                singleton {
                  hand-over-retry-interval = {{t.HandOverRetry}}
                  min-number-of-hand-over-retries = 15
                }
                singleton-proxy.singleton-identification-interval = {{t.HandOverRetry}}
                sharding {
                  rebalance-interval = 2s
                  retry-interval = 500ms
                  handoff-timeout = 10s
                  shard-start-timeout = 3s
                  waiting-for-state-timeout = 1s
                  coordinator-failure-backoff = 1s
                  # What a leader asks wakes every ledger; nothing needs to remember them.
                  remember-entities = off
                  least-shard-allocation-strategy {
                    rebalance-absolute-limit = 20
                    rebalance-relative-limit = 0.5
                  }
                  distributed-data.durable.keys = []
                }
              }
              coordinated-shutdown {
                exit-clr = off
                run-by-clr-shutdown-hook = off
              }
            }
            {{Persistence(database)}}
            """)
            .WithFallback(WriterDefaults())
            .WithFallback(SqlPersistence.DefaultConfiguration);
    }

    // A second instance of the plugin starts from the same defaults. Their text has keys without a value, which a parser would join with
    // the next line: to say nothing means the same.
    private static Config WriterDefaults()
    {
        var defaults = SqlPersistence.DefaultConfiguration.GetConfig(JournalPlugins.Shared).ToString(true)
            .Split('\n')
            .Where(line => !line.TrimEnd().EndsWith(':'));
        return ConfigurationFactory.ParseString($"{JournalPlugins.Writer} {{\n{string.Join('\n', defaults)}\n}}");
    }

    // The replay filter must be off: it drops committed events after the writers changed from A to B and back to A.
    // The breakers are loosened: a writer that lost an append is no reason to stop everyone's journal.
    private static string Persistence(IJournalDatabase database)
    {
        var shared = Instance(database.ConnectionOf(JournalPlugins.Shared));
        var writer = Instance(database.ConnectionOf(JournalPlugins.Writer));
        var snapshots = Instance(database.ConnectionOf(JournalPlugins.Snapshots));
        var query = Instance(database.ConnectionOf("query"));
        const string Breaker = """
            circuit-breaker {
              max-failures = 1000
              call-timeout = 10s
              reset-timeout = 1s
            }
            """;
        return $$"""
            akka.persistence {
              journal {
                plugin = "{{JournalPlugins.Shared}}"
                auto-start-journals = ["{{JournalPlugins.Shared}}", "{{JournalPlugins.Writer}}"]
                sql {
                  {{shared}}
                  {{Breaker}}
                  replay-filter.mode = off
                }
                writer {
                  plugin-id = "{{JournalPlugins.Writer}}"
                  batch-size = 1
                  {{writer}}
                  {{Breaker}}
                  replay-filter.mode = off
                }
              }
              query.journal.sql {
                {{query}}
                write-plugin = "{{JournalPlugins.Shared}}"
                refresh-interval = 1s
              }
              snapshot-store {
                plugin = "akka.persistence.snapshot-store.sql"
                auto-start-snapshot-stores = ["akka.persistence.snapshot-store.sql"]
                sql {
                  {{snapshots}}
                  {{Breaker}}
                }
              }
            }
            """;
    }

    private static string Instance(JournalConnection connection) => $$"""
        connection-string = {{Quote(connection.ConnectionString)}}
        provider-name = "{{connection.Provider}}"
        auto-initialize = off
        parallelism = {{connection.Parallelism}}
        """;

    private static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
