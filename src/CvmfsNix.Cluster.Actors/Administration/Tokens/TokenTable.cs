using System.Data.Common;
using System.Globalization;
using CvmfsNix.Cluster.Actors.Administration.Tables;
using CvmfsNix.Cluster.Actors.Hosting;

namespace CvmfsNix.Cluster.Actors.Administration.Tokens;

/// <summary>Tokens as a table beside the journal. Rows are added, and the time of their revocation is set once.</summary>
/// <param name="database">Where the table is.</param>
internal sealed class TokenTable(ISideDatabase database) : SideTable(database, Definition), ITokenTable
{
    internal static readonly SideTableSchema Definition = new(
        "cvmfsnix_token",
        "id TEXT PRIMARY KEY, digest TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL",
        "id text PRIMARY KEY, digest text NOT NULL, name text NOT NULL, scopes text NOT NULL, created_ms bigint NOT NULL, expires_ms bigint NOT NULL, revoked_ms bigint NOT NULL");

    public Task AddAsync(StoredToken token, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(token);
        return RunAsync(
            connection => ScalarAsync(
                connection,
                "INSERT INTO cvmfsnix_token (id, digest, name, scopes, created_ms, expires_ms, revoked_ms) VALUES (@a, @b, @c, @d, @e, @f, @g)",
                ct,
                token.Id, token.Digest, token.Name, token.Scopes, Milliseconds(token.CreatedAt), Milliseconds(token.ExpiresAt), Milliseconds(token.RevokedAt)),
            ct);
    }

    public Task<IReadOnlyList<StoredToken>> ListAsync(DateTimeOffset endedAfter, CancellationToken ct) => ReadAsync(
        """
        SELECT id, digest, name, scopes, created_ms, expires_ms, revoked_ms FROM cvmfsnix_token
        WHERE (revoked_ms = 0 OR revoked_ms > @a) AND (expires_ms = 0 OR expires_ms > @a) ORDER BY created_ms, id
        """,
        Token,
        ct,
        endedAfter.ToUnixTimeMilliseconds());

    public Task<bool> RevokeAsync(string id, DateTimeOffset at, CancellationToken ct) => RunAsync(
        async connection =>
        {
            await ScalarAsync(connection, "UPDATE cvmfsnix_token SET revoked_ms = @a WHERE id = @b AND revoked_ms = 0", ct, at.ToUnixTimeMilliseconds(), id).ConfigureAwait(false);
            return Convert.ToInt64(await ScalarAsync(connection, "SELECT count(*) FROM cvmfsnix_token WHERE id = @a", ct, id).ConfigureAwait(false), CultureInfo.InvariantCulture) > 0;
        },
        ct);

    protected override PublishingException Unavailable(Exception cause)
    {
        ArgumentNullException.ThrowIfNull(cause);
        return new PublishingException(
            PublishingCodes.TokensUnavailable,
            $"The table of tokens cannot be reached: {cause.Message}",
            "tokens",
            "Look at the journal's database. The tokens in files, admin.token in the key folder among them, work without it.",
            inner: cause);
    }

    private static long Milliseconds(DateTimeOffset? time) => time?.ToUnixTimeMilliseconds() ?? 0;

    private static StoredToken Token(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)), Time(row.GetInt64(5)), Time(row.GetInt64(6)));

    private static DateTimeOffset? Time(long milliseconds) => milliseconds == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
}
