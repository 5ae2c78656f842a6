namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What keeps a writer from committing although it could; nothing is rejected for it, what is sealed waits until it is gone.</summary>
/// <param name="Code">Stable name.</param>
/// <param name="Message">What is wrong and what to do, in sentences.</param>
public sealed record CommitObstacle(string Code, string Message)
{
    /// <summary>The node's clock is far behind what clients were told.</summary>
    public const string ClockSkew = nameof(ClockSkew);

    /// <summary>Clients refuse the repository, and with it everything that would be committed.</summary>
    public const string WhitelistExpired = nameof(WhitelistExpired);
}

/// <summary>
/// Whether the time allows a commit. Pure. A manifest's time is the later of the clock and the time before it, so a clock that is behind
/// does no harm to the order; far behind, it says that the clock is wrong, and a wrong clock decides about whitelists, retention and collection.
/// </summary>
public static class CommitTime
{
    /// <summary>A clock this far behind is worth an alarm.</summary>
    public static readonly TimeSpan SkewAlarm = TimeSpan.FromSeconds(5);

    /// <summary>A clock this far behind commits nothing.</summary>
    public static readonly TimeSpan SkewMax = TimeSpan.FromHours(1);

    /// <summary>A whitelist with less than this left should have been renewed long before.</summary>
    public static readonly TimeSpan WhitelistWarning = TimeSpan.FromDays(7);

    /// <summary>How far <paramref name="now"/> is behind the newest time clients were told; zero when it is not.</summary>
    public static TimeSpan Behind(RepositoryState state, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.ToldAt > now ? state.ToldAt - now : TimeSpan.Zero;
    }

    /// <summary>Why the clock forbids everything that depends on time; null when it does not.</summary>
    public static CommitObstacle? Skew(RepositoryState state, DateTimeOffset now) => Behind(state, now) < SkewMax
        ? null
        : new CommitObstacle(
            CommitObstacle.ClockSkew,
            $"The clock of this node says {now:u}, an hour or more before {state.ToldAt:u}, when {Name(state)} was last published. Set the clock (timedatectl or chronyc tell whether it is synchronised); the node goes on by itself.");

    /// <summary>What keeps a commit from being made now; null when nothing does.</summary>
    public static CommitObstacle? Obstacle(RepositoryState state, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Skew(state, now) ?? (now < LastsUntil(state.WhitelistExpiresAt)
            ? null
            : new CommitObstacle(
                CommitObstacle.WhitelistExpired,
                $"The whitelist of {Name(state)} expired at {state.WhitelistExpiresAt:u}: clients refuse the repository. Put {Name(state)}.masterkey into the key folder of the node that leads, and the whitelist is renewed within seconds."));
    }

    /// <summary>What will keep commits from being made soon, unless somebody acts; null when nothing will.</summary>
    public static string? Warning(RepositoryState state, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.Head is null)
            return null;
        if (state.WhitelistExpiresAt - now < WhitelistWarning)
            return $"The whitelist of {Name(state)} expires at {state.WhitelistExpiresAt:u} and was not renewed; after that, clients refuse the repository. Put {Name(state)}.masterkey into the key folder of the node that leads.";
        return Behind(state, now) is var behind && behind >= SkewAlarm
            ? $"The clock of this node is {behind.TotalSeconds:0} s behind {state.ToldAt:u}, when {Name(state)} was last published."
            : null;
    }

    // Clients compare whole hours: in its last hour a whitelist is dead already.
    private static DateTimeOffset LastsUntil(DateTimeOffset expiry) => new(expiry.UtcTicks - (expiry.UtcTicks % TimeSpan.TicksPerHour), TimeSpan.Zero);

    private static string Name(RepositoryState state) => state.Definition?.Repository.Value ?? "the repository";
}
