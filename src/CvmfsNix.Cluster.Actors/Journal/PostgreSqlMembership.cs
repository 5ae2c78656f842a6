using System.Data.Common;
using Npgsql;

namespace CvmfsNix.Cluster.Actors.Journal;

/// <inheritdoc cref="IMembershipTable"/>
internal sealed class PostgreSqlMembership(PostgreSqlSessions sessions) : IMembershipTable
{
    private const string Name = "cvmfsnix";

    public Task<ClusterRecord> LookAsync(CancellationToken ct) => sessions.RunAsync(connection => LookAsync(connection, "", ct), ct);

    public Task<long?> TryFoundAsync(long seen, string address, TimeSpan alive, CancellationToken ct) => sessions.RunAsync(
        async connection =>
        {
            var transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
            await using var ended = transaction.ConfigureAwait(false);
            await ExecuteAsync(
                connection,
                "INSERT INTO cvmfsnix_cluster (name, incarnation, founder, founded_at) VALUES ($1, 0, '', now()) ON CONFLICT DO NOTHING",
                ct, Name).ConfigureAwait(false);
            // The row's lock lets one node at a time decide; signs of life wait for it, too.
            var record = await LookAsync(connection, "FOR UPDATE", ct).ConfigureAwait(false);
            if (record.Incarnation != seen || record.Members.Any(m => m.Address != address && m.SilentFor <= alive))
                return (long?)null;
            var next = seen + 1;
            await ExecuteAsync(
                connection, "UPDATE cvmfsnix_cluster SET incarnation = $2, founder = $3, founded_at = now() WHERE name = $1", ct, Name, next, address).ConfigureAwait(false);
            await ExecuteAsync(connection, "DELETE FROM cvmfsnix_member", ct).ConfigureAwait(false);
            await ExecuteAsync(
                connection, "INSERT INTO cvmfsnix_member (address, incarnation, seen_at) VALUES ($1, $2, clock_timestamp())", ct, address, next).ConfigureAwait(false);
            await transaction.CommitAsync(ct).ConfigureAwait(false);
            return next;
        },
        ct);

    public Task<DateTimeOffset?> BeatAsync(long incarnation, string address, CancellationToken ct) => sessions.RunAsync(
        async connection =>
        {
            // The share lock orders it with a founding: a member is either seen by the founder or learns of the founding.
            var command = Command(connection, """
                WITH cluster AS (SELECT 1 FROM cvmfsnix_cluster WHERE name = $1 AND incarnation = $2 FOR SHARE)
                INSERT INTO cvmfsnix_member AS m (address, incarnation, seen_at) SELECT $3, $2, clock_timestamp() FROM cluster
                ON CONFLICT (address) DO UPDATE SET incarnation = $2, seen_at = clock_timestamp()
                RETURNING m.seen_at
                """);
            await using var ended = command.ConfigureAwait(false);
            Bind(command, Name, incarnation, address);
            return await command.ExecuteScalarAsync(ct).ConfigureAwait(false) is DateTime now ? new DateTimeOffset(now) : (DateTimeOffset?)null;
        },
        ct);

    public Task RemoveAsync(string address, CancellationToken ct) =>
        sessions.RunAsync(connection => ExecuteAsync(connection, "DELETE FROM cvmfsnix_member WHERE address = $1", ct, address), ct);

    private static async Task<ClusterRecord> LookAsync(DbConnection connection, string locking, CancellationToken ct)
    {
        long incarnation = 0;
        string founder = "";
        var now = DateTime.UnixEpoch;
        var cluster = Command(connection, $"SELECT incarnation, founder, clock_timestamp() FROM cvmfsnix_cluster WHERE name = $1 {locking}");
        await using (cluster.ConfigureAwait(false))
        {
            Bind(cluster, Name);
            var row = await cluster.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var read = row.ConfigureAwait(false);
            if (await row.ReadAsync(ct).ConfigureAwait(false))
                (incarnation, founder, now) = (row.GetInt64(0), row.GetString(1), row.GetDateTime(2));
        }

        var found = new List<MemberRow>();
        var members = Command(
            connection,
            "SELECT address, extract(epoch FROM clock_timestamp() - seen_at)::double precision FROM cvmfsnix_member WHERE incarnation = $1 ORDER BY seen_at DESC");
        await using (members.ConfigureAwait(false))
        {
            Bind(members, incarnation);
            var rows = await members.ExecuteReaderAsync(ct).ConfigureAwait(false);
            await using var read = rows.ConfigureAwait(false);
            while (await rows.ReadAsync(ct).ConfigureAwait(false))
                found.Add(new MemberRow(rows.GetString(0), TimeSpan.FromSeconds(rows.GetDouble(1))));
        }

        return new ClusterRecord(incarnation, founder, found, new DateTimeOffset(DateTime.SpecifyKind(now, DateTimeKind.Utc)));
    }

    private static async Task<int> ExecuteAsync(DbConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        var command = Command(connection, sql);
        await using var ended = command.ConfigureAwait(false);
        Bind(command, values);
        return await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private static DbCommand Command(DbConnection connection, string sql)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }

    private static void Bind(DbCommand command, params object[] values)
    {
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
    }
}
