using Akka.Configuration;
using Akka.Persistence.Sql;
using CvmfsNix.Cluster.Actors.Journal;

namespace CvmfsNix.Cluster.Actors.Mirrors;

/// <summary>Settings of a mirror's actor system: local, with a journal of its own. It opens no port and is no member of anything.</summary>
internal static class MirrorConfiguration
{
    /// <param name="database">Of the journal.</param>
    public static Config Build(IJournalDatabase database)
    {
        var connection = database.ConnectionOf(JournalPlugins.Shared);
        string instance = $$"""
            connection-string = "{{connection.ConnectionString.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}}"
            provider-name = "{{connection.Provider}}"
            auto-initialize = off
            parallelism = {{connection.Parallelism}}
            """;
        return ConfigurationFactory.ParseString($$"""
            akka {
              actor.provider = local
              coordinated-shutdown {
                exit-clr = off
                run-by-clr-shutdown-hook = off
              }
              persistence {
                journal {
                  plugin = "{{JournalPlugins.Shared}}"
                  auto-start-journals = ["{{JournalPlugins.Shared}}"]
                  sql {
                    {{instance}}
                    circuit-breaker {
                      max-failures = 1000
                      call-timeout = 10s
                      reset-timeout = 1s
                    }
                    replay-filter.mode = off
                  }
                }
                query.journal.sql {
                  {{instance}}
                  write-plugin = "{{JournalPlugins.Shared}}"
                  refresh-interval = 1s
                }
                snapshot-store {
                  plugin = "akka.persistence.snapshot-store.sql"
                  auto-start-snapshot-stores = ["akka.persistence.snapshot-store.sql"]
                  sql {
                    {{instance}}
                    circuit-breaker {
                      max-failures = 1000
                      call-timeout = 10s
                      reset-timeout = 1s
                    }
                  }
                }
              }
            }
            """).WithFallback(SqlPersistence.DefaultConfiguration);
    }
}
