using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Model.Retention;

/// <summary>A path as far as its keeping is concerned.</summary>
/// <param name="Path">The path.</param>
/// <param name="References">What it needs; may name itself.</param>
/// <param name="Revision">The revision that brought it.</param>
/// <param name="PublishedAt">When that was; the end of all times where nobody knows.</param>
public sealed record PathFacts(StorePathName Path, IReadOnlyList<StorePathName> References, ulong Revision, DateTimeOffset PublishedAt);

/// <summary>A named revision: what the newest revision shares with it gains no space by being removed.</summary>
public sealed record TaggedRevision(string Name, ulong Revision);

/// <summary>What decides what is kept.</summary>
/// <param name="Rules">The repository's rules.</param>
/// <param name="Generations">Every generation of every profile, in any order.</param>
/// <param name="Pins">Pins, ended ones too.</param>
/// <param name="Tags">Named tags.</param>
public sealed record RetentionRoots(
    RetentionRules Rules, IReadOnlyList<Repositories.ProfileGenerationRecord> Generations, IReadOnlyCollection<PathPin> Pins, IReadOnlyList<TaggedRevision> Tags);

/// <summary>Why a path is kept.</summary>
/// <param name="Kind">What keeps it.</param>
/// <param name="What">The profile's generation, the tag, the end of the pin, the time of publishing, or the path that needs it.</param>
public readonly record struct KeepReason(KeepKind Kind, string What);

/// <summary>What keeps a path.</summary>
public enum KeepKind
{
    /// <summary>The newest generations of a profile.</summary>
    Profile,

    /// <summary>A pin that has not ended.</summary>
    Pin,

    /// <summary>A named tag whose revision has it.</summary>
    Tag,

    /// <summary>It was published lately.</summary>
    Recent,

    /// <summary>A path that is kept needs it.</summary>
    Reference,

    /// <summary>It needs itself by way of others; such paths are left alone.</summary>
    Circle,
}

/// <summary>A decision about all paths of a repository.</summary>
/// <param name="Kept">Every path that stays, with one reason.</param>
/// <param name="Removed">Every other path; who needs a path comes before it, so that what is left after any part of the list has all it needs.</param>
public sealed record RetentionPlan(IReadOnlyDictionary<StorePathName, KeepReason> Kept, IReadOnlyList<StorePathName> Removed);
