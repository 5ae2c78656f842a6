using System.Globalization;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Records.Wire;

namespace CvmfsNix.Cluster.FaultTests.PowerLoss;

/// <summary>
/// Reads a disk as a power cut left it, without a node, and holds it to what was acknowledged before the cut: each of the things
/// that a data folder must not lose, and that nothing stands in a node's way. Certain and quick, where a node's silence would
/// have to be waited for.
/// </summary>
internal sealed class ImageJudge(RecordedRun run)
{
    private static readonly string[] KeyFiles = [".pub", ".masterkey", ".crt", ".key", ".nix.pub", ".nix.sec"];

    private readonly IReadOnlyList<JournalRow> _journal = JournalImage.Read(CopyOfFinalJournal(run));
    private readonly HashSet<string> _keysTried = [];

    /// <exception cref="Exception">What is wrong. The image is used up: reading a journal recovers it, loading keys completes them.</exception>
    public async Task CheckAsync(string image, Cut cut, CancellationToken cancellationToken)
    {
        string data = Path.Combine(image, RecordedRun.DataBelowRoot);
        string keys = Path.Combine(data, "keys");
        var layout = new StoreLayout(data);
        string folder = layout.RepositoryFolder(RecordedRun.Repository);

        Same(keys, Path.Combine(run.Data, "keys"), "admin.token");
        // Two copies of the store's id: one that is lost or torn would make this another store, which starts from nothing.
        foreach (string where in (string[])["cvmfs", "meta"])
            Same(Path.Combine(data, where), Path.Combine(run.Data, where), ".store-id");
        IReadOnlyList<JournalRow> journal = CheckJournal(Path.Combine(data, RecordedRun.JournalFile), cut);
        bool created = journal.Any(r => r.Manifest == JournalImage.RepositoryCreated);
        await CheckKeysAsync(keys, created, cancellationToken);
        CheckBlobs(layout, journal);
        ulong served = await CheckFolderAsync(folder, cut, journal, cancellationToken);
        CheckArchive(layout, journal, served);
        if (created && served != HeadRevision(journal))
            await CheckHeadAsync(folder, journal, cancellationToken);
    }

    /// <summary>The journal is a beginning of the one the recorded node wrote, and holds what was acknowledged.</summary>
    private IReadOnlyList<JournalRow> CheckJournal(string file, Cut cut)
    {
        IReadOnlyList<JournalRow> journal = JournalImage.Read(file);
        Require(journal.Count <= _journal.Count, $"The journal has {journal.Count} events of {_journal.Count} that were written.");
        for (int i = 0; i < journal.Count; i++)
            Require(journal[i].IsSame(_journal[i]), $"Event {i} of the journal is not the one that was written.");
        Require(!cut.Created || journal.Any(r => r.Manifest == JournalImage.RepositoryCreated), "The journal has lost the repository's creation.");
        int revisions = journal.Count(r => r.Manifest == JournalImage.RevisionCommitted);
        Require(revisions >= cut.Publishes, $"The journal holds {revisions} publishes, {cut.Publishes} were acknowledged.");
        return journal;
    }

    /// <summary>The keys of a repository in the journal are those it was created with; before, a node can still make them.</summary>
    private async Task CheckKeysAsync(string keys, bool created, CancellationToken cancellationToken)
    {
        var folder = new KeyFolder(keys);
        if (!created)
        {
            // Making keys takes longer than all else here, and most of these disks differ elsewhere.
            string digest = DigestOf(keys);
            if (!_keysTried.Contains(digest))
                _ = await folder.CreateOrLoadAsync(RecordedRun.Repository, DateTimeOffset.UnixEpoch, cancellationToken);
            _keysTried.Add(digest);
            return;
        }

        _ = folder.TryLoad(RecordedRun.Repository) ?? throw new ImageDamagedException("A key file is gone.");
        foreach (string suffix in KeyFiles)
            Same(keys, Path.Combine(run.Data, "keys"), RecordedRun.Repository + suffix);
    }

    /// <summary>Every record file that an event names is there and is what its name says.</summary>
    private static void CheckBlobs(StoreLayout layout, IReadOnlyList<JournalRow> journal)
    {
        foreach (string digest in journal.SelectMany(JournalImage.Blobs))
        {
            string file = Path.Combine(layout.BlobsFolder(RecordedRun.Repository), digest[..2], digest);
            Require(File.Exists(file), $"The record file {digest} is gone.");
            Require(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))) == digest, $"The record file {digest} is damaged.");
        }
    }

    /// <summary>
    /// The repository folder as any web server would hand it out before a node has mended anything: not behind what the node had
    /// said to be in place, and whatever manifest lies there is signed and everything below it is whole.
    /// </summary>
    private async Task<ulong> CheckFolderAsync(string folder, Cut cut, IReadOnlyList<JournalRow> journal, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(folder, RepositoryReader.ManifestFile)))
        {
            Require(cut.ServedRevision == 0, $"The manifest is gone from the folder that served revision {cut.ServedRevision}.");
            return 0;
        }

        // With the newest manifest in place, the folder holds what the journal does.
        Manifest manifest = Manifest.ParseSigned(await File.ReadAllBytesAsync(Path.Combine(folder, RepositoryReader.ManifestFile), cancellationToken)).Manifest;
        HistoryLog history = manifest.Revision == HeadRevision(journal) ? HistoryOf(journal) : new HistoryLog();
        var checker = new RepositoryChecker(RecordedRun.Repository, run.Created.PublicKey, history);
        ulong revision = await checker.CheckEverythingAsync(folder, cancellationToken);
        Require(revision >= cut.ServedRevision, $"The folder is back at revision {revision} after it served {cut.ServedRevision}.");
        Require(File.Exists(Path.Combine(folder, ".cvmfs_master_replica")), "The folder no longer permits replication.");
        return revision;
    }

    /// <summary>The witness against a journal that is behind: an event whose revision is served is in the archive, whole.</summary>
    private static void CheckArchive(StoreLayout layout, IReadOnlyList<JournalRow> journal, ulong served)
    {
        foreach (JournalRow row in journal)
        {
            if (JournalImage.Revision(row) is not { } revision
                || Manifest.ParseSigned(JournalImage.SignedManifest(revision)).Manifest.Revision > served)
                continue;
            string file = Path.Combine(layout.AppliedFolder(RecordedRun.Repository), row.Sequence.ToString("D20", CultureInfo.InvariantCulture) + ".event");
            Require(File.Exists(file), $"Event {row.Sequence}, whose revision is served, is not in the archive.");
            AppliedEvent archived = AppliedEvent.Parser.ParseFrom(File.ReadAllBytes(file));
            Require(archived.Sequence == row.Sequence && archived.Event.Span.EndsWith(row.Message), $"Event {row.Sequence} is damaged in the archive.");
        }
    }

    /// <summary>Everything reachable from the journal's newest revision is there, and every path its publishes were asked for.</summary>
    private async Task CheckHeadAsync(string folder, IReadOnlyList<JournalRow> journal, CancellationToken cancellationToken)
    {
        byte[] manifest = JournalImage.SignedManifest(journal.Select(JournalImage.Revision).OfType<byte[]>().Last());
        byte[] whitelist = journal.Select(JournalImage.Whitelist).OfType<byte[]>().Last();
        var checker = new RepositoryChecker(RecordedRun.Repository, run.Created.PublicKey, HistoryOf(journal));
        _ = await checker.CheckEverythingAsync(new HeadSource(folder, manifest, whitelist), cancellationToken);
    }

    private HistoryLog HistoryOf(IReadOnlyList<JournalRow> journal)
    {
        var history = new HistoryLog();
        foreach ((PlannedPublish publish, Acknowledgement answer) in run.Publishes.Take(journal.Count(r => r.Manifest == JournalImage.RevisionCommitted)))
            history.Acknowledge(answer, run.Store.Closure(publish.Roots));
        return history;
    }

    private static ulong HeadRevision(IReadOnlyList<JournalRow> journal) =>
        journal.Select(JournalImage.Revision).OfType<byte[]>().LastOrDefault() is { } revision
            ? Manifest.ParseSigned(JournalImage.SignedManifest(revision)).Manifest.Revision
            : 0;

    private static string DigestOf(string folder) => string.Join('\n', new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories)
        .OrderBy(f => f.FullName, StringComparer.Ordinal)
        .Select(f => $"{Path.GetRelativePath(folder, f.FullName)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f.FullName)))}"));

    private static void Same(string folder, string original, string name)
    {
        string file = Path.Combine(folder, name);
        Require(File.Exists(file), $"{name} is gone.");
        Require(File.ReadAllBytes(file).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(original, name))), $"{name} is not what it was.");
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
            throw new ImageDamagedException(otherwise);
    }

    // Opening a journal recovers it: the recorded disk stays as the node left it.
    private static string CopyOfFinalJournal(RecordedRun run)
    {
        string copy = Directory.CreateDirectory(run.Scratch["journal"]).FullName;
        foreach (string file in (string[])[RecordedRun.JournalFile, RecordedRun.JournalFile + "-wal"])
        {
            if (File.Exists(Path.Combine(run.Data, file)))
                File.Copy(Path.Combine(run.Data, file), Path.Combine(copy, file), overwrite: true);
        }

        return Path.Combine(copy, RecordedRun.JournalFile);
    }
}

/// <summary>A disk after a power cut lacks something that was acknowledged, or holds what no node can go on from.</summary>
internal sealed class ImageDamagedException(string message) : Exception(message);
