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
    public static Config Build(CoreOptions options)
    {
        var host = options.PublicHost ?? options.RemotingHost;
        var seeds = string.Join(", ", options.Seeds.Select(s => Quote($"akka.tcp://{CoreHosting.SystemName}@{s}")));
        var roles = string.Join(", ", options.Roles.Select(Quote));
        return ConfigurationFactory.ParseString($$"""
            akka {
              actor.provider = cluster
              remote {
                retry-gate-closed-for = 1s
                dot-netty.tcp {
                  hostname = {{Quote(options.RemotingHost)}}
                  port = {{options.RemotingPort}}
                  public-hostname = {{Quote(host)}}
                  connection-timeout = 5s
                  batching.max-pending-writes = 30
                }
              }
              cluster {
                roles = [{{roles}}]
                seed-nodes = [{{seeds}}]
                seed-node-timeout = 1s
                retry-unsuccessful-join-after = 1s
                gossip-interval = 200ms
                leader-actions-interval = 200ms
                unreachable-nodes-reaper-interval = 200ms
                periodic-tasks-initial-delay = 200ms
                # Off would silently mean the resolver's stable-after.
                down-removal-margin = 1s
                downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
                failure-detector {
                  heartbeat-interval = 200ms
                  acceptable-heartbeat-pause = 1s
                  threshold = 8.0
                  min-std-deviation = 100ms
                  expected-response-after = 5s
                }
                split-brain-resolver {
                  active-strategy = keep-majority
                  stable-after = 1s
                  down-all-when-unstable = 4s
                }
                singleton {
                  hand-over-retry-interval = 200ms
                  min-number-of-hand-over-retries = 15
                }
                singleton-proxy.singleton-identification-interval = 200ms
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
            {{Persistence(options.Journal)}}
            """)
            .WithFallback(WriterDefaults())
            .WithFallback(SqlPersistence.DefaultConfiguration);
    }

    // A second instance of the plugin starts from the same defaults.
    private static Config WriterDefaults() =>
        ConfigurationFactory.ParseString($"{JournalPlugins.Writer} {{\n{SqlPersistence.DefaultConfiguration.GetConfig(JournalPlugins.Shared).ToString(true)}\n}}");

    // The replay filter must be off: it drops committed events after the writers changed from A to B and back to A.
    // The breakers are loosened: a writer that lost an append is no reason to stop everyone's journal.
    private static string Persistence(JournalOptions journal)
    {
        var (connection, provider, parallelism) = journal switch
        {
            JournalOptions.Sqlite sqlite => (SqliteJournal.ConnectionString(sqlite.File), "SQLite.MS", 1),
            _ => throw new ArgumentException($"The journal {journal} is of no kind this version can use: SQLite for a single node.", nameof(journal)),
        };
        var common = $$"""
            connection-string = {{Quote(connection)}}
            provider-name = "{{provider}}"
            auto-initialize = off
            """;
        const string Breaker = """
            circuit-breaker {
              max-failures = 1000
              call-timeout = 10s
              reset-timeout = 1s
            }
            """;
        var instance = $$"""
            {{common}}
            {{Breaker}}
            parallelism = {{parallelism}}
            replay-filter.mode = off
            """;
        return $$"""
            akka.persistence {
              journal {
                plugin = "{{JournalPlugins.Shared}}"
                auto-start-journals = ["{{JournalPlugins.Shared}}", "{{JournalPlugins.Writer}}"]
                sql {
                  {{instance}}
                }
                writer {
                  plugin-id = "{{JournalPlugins.Writer}}"
                  batch-size = 1
                  {{instance}}
                }
              }
              query.journal.sql {
                {{common}}
                parallelism = {{parallelism}}
                write-plugin = "{{JournalPlugins.Shared}}"
                refresh-interval = 1s
              }
              snapshot-store {
                plugin = "akka.persistence.snapshot-store.sql"
                auto-start-snapshot-stores = ["akka.persistence.snapshot-store.sql"]
                sql {
                  {{common}}
                  {{Breaker}}
                }
              }
            }
            """;
    }

    private static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
