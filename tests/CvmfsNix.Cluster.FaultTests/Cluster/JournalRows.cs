using System.Globalization;
using System.Security.Cryptography;
using Akka.Actor;
using CvmfsNix.Cluster.Actors.Serialization;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Model.Transactions;
using CvmfsNix.Cluster.TestKit.Postgres;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Cluster;

/// <summary>One row of the table <c>journal</c>.</summary>
internal sealed record JournalRow(string PersistenceId, long SequenceNumber, string Manifest, byte[] Message, string Writer)
{
    private static readonly ClusterSerializer Serializer = new((ExtendedActorSystem)null!);

    /// <summary>The event, read with the serializer that wrote it.</summary>
    public object Event => Serializer.FromBinary(Message, Manifest);

    /// <summary>The event as it would be written again.</summary>
    public byte[] Again => Serializer.ToBinary(Event);

    /// <summary>Names a state as a living actor does: by the snapshot it would make.</summary>
    public static string DigestOf(object state) => Convert.ToHexStringLower(SHA256.HashData(Serializer.ToBinary(state)));
}

/// <summary>The journal as the database holds it, read with SQL and without the program's own reading.</summary>
internal sealed class JournalRows
{
    private readonly Dictionary<string, JournalRow[]> _rows;

    private JournalRows(Dictionary<string, JournalRow[]> rows) => _rows = rows;

    /// <summary>Persistence ids with at least one row.</summary>
    public IEnumerable<string> Ids => _rows.Keys;

    /// <summary>Rows of one id, in order.</summary>
    public IReadOnlyList<JournalRow> this[string persistenceId] => _rows.GetValueOrDefault(persistenceId, []);

    /// <summary>Reads everything a repository has; each id's rows are numbered from 1 without a gap, and none is marked as deleted.</summary>
    public static async Task<JournalRows> ReadAsync(PostgresServer postgres, string fqrn, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> lines = await postgres.QueryAsync(
            "cvmfsnix",
            $"""
             SELECT persistence_id, sequence_number, manifest, identifier, deleted, writer_uuid, encode(message, 'hex') FROM journal
             WHERE persistence_id = 'repository-{fqrn}' OR persistence_id LIKE 'ledger-{fqrn}|%' ORDER BY persistence_id, sequence_number
             """,
            cancellationToken);
        var rows = new List<JournalRow>();
        foreach (string line in lines)
        {
            // The id of a ledger has a bar in it, the other columns have none.
            string[] words = line.Split('|');
            int at = words.Length - 6;
            Assert.Equal("1001", words[at + 2]);
            Assert.Equal("f", words[at + 3]);
            rows.Add(new JournalRow(
                string.Join('|', words[..at]), long.Parse(words[at], CultureInfo.InvariantCulture), words[at + 1], Convert.FromHexString(words[at + 5]), words[at + 4]));
        }

        var byId = rows.GroupBy(r => r.PersistenceId).ToDictionary(g => g.Key, g => g.ToArray());
        Assert.All(byId.Values, all => Assert.Equal(Enumerable.Range(1, all.Length).Select(n => (long)n), all.Select(r => r.SequenceNumber)));
        return new JournalRows(byId);
    }

    /// <summary>What a replay of a ledger's rows up to a number gives.</summary>
    public LedgerState Ledger(string persistenceId, long until) =>
        this[persistenceId].TakeWhile(r => r.SequenceNumber <= until).Aggregate(LedgerState.Empty, (state, row) => state.Apply((TransactionProtocol.ILedgerEvent)row.Event));

    /// <summary>What a replay of a writer's rows up to a number gives.</summary>
    public RepositoryState Writer(string persistenceId, long until) =>
        this[persistenceId].TakeWhile(r => r.SequenceNumber <= until).Aggregate(RepositoryState.Empty, (state, row) => state.Apply((IRepositoryEvent)row.Event));
}
