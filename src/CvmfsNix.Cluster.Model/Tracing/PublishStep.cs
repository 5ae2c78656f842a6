using CvmfsNix.Cluster.Model.Ids;

namespace CvmfsNix.Cluster.Model.Tracing;

/// <summary>Something that was done for a transaction, from its builder to the last replica.</summary>
/// <param name="Transaction">For whom.</param>
/// <param name="Name">One of the names below.</param>
/// <param name="StartedAt">By this machine's clock.</param>
/// <param name="EndedAt">By this machine's clock.</param>
/// <param name="Attributes">For people.</param>
public sealed record PublishStep(TransactionId Transaction, string Name, DateTimeOffset StartedAt, DateTimeOffset EndedAt, IReadOnlyDictionary<string, string> Attributes)
{
    /// <summary>From the begin on a gateway to its answer.</summary>
    public const string Gateway = "gateway";

    /// <summary>From its arrival at the writer to the decision; there is one.</summary>
    public const string Commit = "commit";

    /// <summary>The append of the decision to the journal; there is one.</summary>
    public const string Append = "journal append";

    /// <summary>Until a core node serves it.</summary>
    public const string Serve = "serve";

    /// <summary>Until a mirror serves it.</summary>
    public const string Replicate = "replicate";

    /// <summary>It was refused.</summary>
    public bool Failed { get; init; }
}

/// <summary>
/// Where steps are told. Of the process, as instruments are: whoever does something need not know whether anybody listens, and nothing is made for nobody.
/// </summary>
public static class PublishSteps
{
    /// <summary>Gets every step that has ended; must return at once.</summary>
    public static event Action<PublishStep>? Ended;

    /// <summary>Somebody listens.</summary>
    public static bool Followed => Ended is not null;

    /// <summary>A step has ended.</summary>
    public static void Tell(PublishStep step) => Ended?.Invoke(step);
}
