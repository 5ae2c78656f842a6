namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>What of a repository is kept though nobody asked for it by name. Set by operators, one set for each repository.</summary>
/// <param name="Enabled">False: nothing is ever removed but what is withdrawn. How every repository starts.</param>
/// <param name="ProfileGenerations">Of every profile, the targets of its newest generations are kept; at least 1.</param>
/// <param name="KeepRecent">What was published within this time is kept.</param>
/// <param name="Automatic">The leader looks by itself for what may go; otherwise it waits for an operator.</param>
public sealed record RetentionRules(bool Enabled, int ProfileGenerations, TimeSpan KeepRecent, bool Automatic)
{
    /// <summary>Until somebody says otherwise core nodes remove and delete nothing; what is withdrawn leaves the newest revision all the same.</summary>
    public bool Paused { get; init; }

    /// <summary>Of a repository for which nothing was set.</summary>
    public static readonly RetentionRules KeepAll = new(false, 3, TimeSpan.FromDays(30), false);

    /// <summary>Most generations that can be asked for.</summary>
    public const int ProfileGenerationsMax = 10_000;

    /// <summary>The longest time that can be asked for.</summary>
    public static readonly TimeSpan KeepRecentMax = TimeSpan.FromDays(36_500);

    /// <summary>What is wrong with the rules; null when nothing is.</summary>
    public string? Problem => ProfileGenerations is < 1 or > ProfileGenerationsMax ? $"1 to {ProfileGenerationsMax} generations of a profile can be kept, not {ProfileGenerations}."
        : KeepRecent < TimeSpan.Zero || KeepRecent > KeepRecentMax ? $"What was published lately can be kept for up to {KeepRecentMax.TotalDays:0} days."
        : null;
}
