using System.Globalization;
using System.Security.Cryptography;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Records.Wire;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Store.Repositories;

/// <summary>
/// The journal events a store has applied, one durable file each: the witness that a journal is not behind, and what it is mended from.
/// An event is archived before the named file it replaces, with the digest that file will have: so after a kill it shows whether the
/// last event took effect.
/// </summary>
internal sealed class AppliedArchive(string folder, string repositoryFolder)
{
    private const string Suffix = ".event";
    private const int Digits = 20;

    // Of these it is known which was the newest in effect, whatever the clock says.
    private const int KeptMin = 64;

    /// <summary>The newest event that has taken effect; 0 = none.</summary>
    public long LastEffective()
    {
        RemoveScratch();
        long[] sequences = [.. Sequences()];
        for (int i = sequences.Length - 1; i >= 0; i--)
        {
            // Only the newest can be without effect, or torn by a disk that lies: what is before it was followed by another.
            if (i < sequences.Length - 1 || Read(sequences[i]) is { } last && HasTakenEffect(last))
                return sequences[i];
        }

        return 0;
    }

    /// <summary>Keeps an event for good, before its effect.</summary>
    /// <param name="sequence">Its journal sequence number.</param>
    /// <param name="eventBytes">Its bytes.</param>
    /// <param name="namedFile">The file it replaces; null = none.</param>
    /// <param name="content">What that file will hold.</param>
    /// <param name="cancellationToken">Stops before it is kept, never after.</param>
    public Task AddAsync(long sequence, ReadOnlyMemory<byte> eventBytes, string? namedFile, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var wire = new AppliedEvent
        {
            Sequence = sequence,
            Event = ByteString.CopyFrom(eventBytes.Span),
            NamedFile = namedFile ?? "",
            NamedSha256 = namedFile is null ? ByteString.Empty : ByteString.CopyFrom(SHA256.HashData(content.Span)),
        };
        return DurableFile.WriteAtomicAsync(folder, PathOf(sequence), wire.ToByteArray(), cancellationToken: cancellationToken);
    }

    /// <summary>Deletes events that were archived before a time, oldest first, and never the newest ones.</summary>
    /// <param name="cutoff">What was archived at this time or later stays.</param>
    /// <param name="deleted">Called after each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many were deleted.</returns>
    public int Trim(DateTimeOffset cutoff, Action deleted, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (long sequence in Sequences().SkipLast(KeptMin).TakeWhile(s => File.GetLastWriteTimeUtc(PathOf(s)) < cutoff.UtcDateTime))
        {
            cancellationToken.ThrowIfCancellationRequested();
            File.Delete(PathOf(sequence));
            count++;
            deleted();
        }

        return count;
    }

    /// <summary>All archived events, ascending; a newest one that is unreadable is left out.</summary>
    public IEnumerable<AppliedEvent> ReadAll() => Sequences().Select(Read).OfType<AppliedEvent>();

    /// <summary>All archived events, ascending, with their numbers; null = unreadable.</summary>
    public IEnumerable<(long Sequence, AppliedEvent? Event)> ReadAllNumbered() => Sequences().Select(s => (s, Read(s)));

    /// <summary>The newest archived event of a folder, whether it has taken effect or not; 0 = none.</summary>
    public static long Last(string folder) => Sequences(folder).LastOrDefault();

    private IEnumerable<long> Sequences() => Sequences(folder);

    private static IEnumerable<long> Sequences(string folder) => Directory.EnumerateFiles(folder, "*" + Suffix)
        .Select(f => long.TryParse(Path.GetFileNameWithoutExtension(f), NumberStyles.None, CultureInfo.InvariantCulture, out long sequence) ? sequence : 0)
        .Where(s => s > 0)
        .Order();

    /// <summary>An archived event; null = it is not here, or unreadable.</summary>
    public AppliedEvent? Find(long sequence) => File.Exists(PathOf(sequence)) ? Read(sequence) : null;

    private AppliedEvent? Read(long sequence)
    {
        try
        {
            AppliedEvent found = AppliedEvent.Parser.ParseFrom(File.ReadAllBytes(PathOf(sequence)));
            return found.Sequence == sequence ? found : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    private bool HasTakenEffect(AppliedEvent applied)
    {
        if (applied.NamedFile.Length == 0)
            return true;
        string file = Path.Combine(repositoryFolder, Path.GetFileName(applied.NamedFile));
        return File.Exists(file) && applied.NamedSha256.Span.SequenceEqual(SHA256.HashData(File.ReadAllBytes(file)));
    }

    private void RemoveScratch()
    {
        foreach (string file in Directory.EnumerateFiles(folder).Where(f => !f.EndsWith(Suffix, StringComparison.Ordinal)))
            File.Delete(file);
    }

    private string PathOf(long sequence) => Path.Combine(folder, sequence.ToString(CultureInfo.InvariantCulture).PadLeft(Digits, '0') + Suffix);
}
