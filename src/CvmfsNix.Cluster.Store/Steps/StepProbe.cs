using System.Net.Sockets;

namespace CvmfsNix.Cluster.Store.Steps;

/// <summary>
/// Named points of a publish at which a fault test may stop the process: a crash is only a proof when it is known
/// where it hit. Off unless the environment names a Unix socket in <see cref="Variable"/>; then each step is announced there as one
/// line and the caller waits for one byte before it goes on. Without the variable a step costs one static read.
/// </summary>
public static class StepProbe
{
    /// <summary>The environment variable that holds the path of the listening Unix socket.</summary>
    public const string Variable = "CVMFSNIX_STEP_SOCKET";

    private static readonly string? Path = Environment.GetEnvironmentVariable(Variable);

    /// <summary>
    /// Announces a step, e.g. <c>append.before</c>, and blocks until the listener lets it pass. A listener that is gone
    /// means the test is over: the step passes.
    /// </summary>
    /// <param name="step">One of <see cref="StepNames"/>.</param>
    /// <param name="subject">The repository or transaction it happens to; for the listener's log.</param>
    public static void At(string step, string subject)
    {
        if (Path is null)
            return;
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(Path));
            socket.Send(System.Text.Encoding.UTF8.GetBytes($"{step} {subject}\n"));
            var answer = new byte[1];
            socket.Receive(answer);
        }
        catch (SocketException)
        {
            // Nobody listens: not under test any more.
        }
    }
}

/// <summary>The steps of a publish, in order. The part before the dot is the phase that crash tests count.</summary>
public static class StepNames
{
    /// <summary>An uploaded pack's objects are written, none is fsynced or renamed yet.</summary>
    public const string StageWritten = "stage.written";

    /// <summary>The pack's objects are durable, the builder has not been answered.</summary>
    public const string StageDurable = "stage.durable";

    /// <summary>The transaction's bundle is durable, the ledger has not been asked to seal.</summary>
    public const string SealBundle = "seal.bundle";

    /// <summary>The ledger is about to persist the seal.</summary>
    public const string SealBefore = "seal.before";

    /// <summary>The seal is in the journal, the writer has not been told.</summary>
    public const string SealAfter = "seal.after";

    /// <summary>The rows of removed paths are out of the working catalogs, nothing is stored.</summary>
    public const string RemovalEdited = "removal.edited";

    /// <summary>A revision without some paths is durable and signed, the append has not been asked for.</summary>
    public const string RemovalAppend = "removal.append";

    /// <summary>The new catalogs are computed, not yet in the object store.</summary>
    public const string CatalogsBuilt = "catalogs.built";

    /// <summary>Catalogs, tag database and record files are durable.</summary>
    public const string CatalogsDurable = "catalogs.durable";

    /// <summary>The manifest is signed, the append has not been asked for.</summary>
    public const string AppendBefore = "append.before";

    /// <summary>The revision is in the journal, nobody has been answered.</summary>
    public const string AppendAfter = "append.after";

    /// <summary>A collection has read the bundles and knows its roots, nothing else is marked.</summary>
    public const string CollectMark = "collect.mark";

    /// <summary>A collection knows what may go, nothing is deleted.</summary>
    public const string CollectPlanned = "collect.planned";

    /// <summary>A collection has taken the contents of one of the 256 directories out of the index, their objects are there.</summary>
    public const string CollectForgotten = "collect.forgotten";

    /// <summary>A collection has deleted objects of one of the 256 directories.</summary>
    public const string CollectDeleted = "collect.deleted";

    /// <summary>An event of the writer's upkeep is about to be appended: superseded catalogs, expired removals, forgotten records.</summary>
    public const string UpkeepBefore = "upkeep.before";

    /// <summary>It is in the journal, no store has followed it.</summary>
    public const string UpkeepAfter = "upkeep.after";

    /// <summary>Superseded catalogs are deleted, the event that said so is not archived.</summary>
    public const string SupersededDeleted = "superseded.deleted";

    /// <summary>A record file of a revision of which nothing is left is deleted.</summary>
    public const string RecordsDeleted = "records.deleted";

    /// <summary>An old event is deleted of the archive of applied events.</summary>
    public const string ArchiveTrimmed = "archive.trimmed";

    /// <summary>The store keeper is about to write the named files of an event.</summary>
    public const string NamedBefore = "named.before";

    /// <summary>The manifest's temporary file is durable, not yet renamed.</summary>
    public const string NamedTemporary = "named.temporary";

    /// <summary>The manifest is renamed into place and the folder is durable.</summary>
    public const string NamedAfter = "named.after";
}
