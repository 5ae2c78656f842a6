namespace CvmfsNix.Cluster.Model.Repositories;

/// <summary>What a repository's manifests are signed with, and what clients accept. Certificates are named by their fingerprints.</summary>
/// <param name="Present">The certificate of the newest manifest.</param>
/// <param name="Next">Certificate of the newest pair in the key folder that came after the present one; null = there is none.</param>
/// <param name="Listed">What the whitelist in force names.</param>
public sealed record SigningKeys(string Present, string? Next, IReadOnlyList<string> Listed);

/// <summary>What is to be done next on the way from one key to another.</summary>
public enum KeyRotationStep
{
    /// <summary>There is no other key to go to, and nothing to be finished.</summary>
    NothingToDo,

    /// <summary>A whitelist with both certificates.</summary>
    ListNext,

    /// <summary>Caches may still show the whitelist before it.</summary>
    AwaitListed,

    /// <summary>The newest manifest and all that follow are signed with the next key.</summary>
    Sign,

    /// <summary>Caches may still show a manifest that the old key signed.</summary>
    AwaitSigned,

    /// <summary>A whitelist without the old certificate.</summary>
    Unlist,

    /// <summary>A change of keys has come to its end lately.</summary>
    Done,
}

/// <summary>
/// The order in which a key takes over so that a client accepts what it sees at every moment, whatever is in the caches between: it may see an old
/// whitelist with an old manifest, a new one with either, and never a manifest whose certificate its whitelist lacks. Pure.
/// </summary>
public static class KeyRotation
{
    /// <summary>So long after it took over, somebody who asks is told that it is done, and not that there is no other key.</summary>
    public static readonly TimeSpan Remembered = TimeSpan.FromDays(1);

    /// <summary>A whitelist that is renewed within this time after a change of keys, by the clock or on request, names the old certificate too.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromHours(1);

    /// <summary>The next step, and the time before which it must not be taken.</summary>
    /// <param name="state">The repository.</param>
    /// <param name="keys">What signs, and what clients accept.</param>
    /// <param name="caches">How long caches may show an old file.</param>
    /// <param name="now">The time.</param>
    public static (KeyRotationStep Step, DateTimeOffset NotBefore) Decide(RepositoryState state, SigningKeys keys, TimeSpan caches, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(keys);
        if (keys.Next is { } next)
        {
            DateTimeOffset listed = state.WhitelistAt + caches;
            return !keys.Listed.Contains(next) ? (KeyRotationStep.ListNext, now)
                : now < listed ? (KeyRotationStep.AwaitListed, listed)
                : (KeyRotationStep.Sign, now);
        }

        DateTimeOffset? changed = state.KeyChanges is [.., var last] ? last.At : null;
        if (keys.Listed.Any(f => f != keys.Present))
            return changed + caches is { } signed && now < signed ? (KeyRotationStep.AwaitSigned, signed) : (KeyRotationStep.Unlist, now);
        return (now - changed < Remembered ? KeyRotationStep.Done : KeyRotationStep.NothingToDo, now);
    }

    /// <summary>A certificate that a whitelist signed now has to name beside the present one; null = none.</summary>
    public static Cvmfs.Hashing.ObjectHash? AlsoListed(RepositoryState state, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.KeyChanges is [.., var last] && now - last.At < Overlap ? state.PreviousCertificate : null;
    }
}
