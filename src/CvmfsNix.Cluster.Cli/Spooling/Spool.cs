using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Cli.Spooling;

/// <summary>
/// The folder between hook and agent. Files only ever appear whole, by rename:
/// <list type="bullet">
/// <item><c>tmp/</c> what is being written, <c>new/</c> entries of the hook, <c>alone/</c> entries that are to be published by themselves because
/// the batch they were in was refused, <c>bad/</c> entries set aside, each with <c>NAME.reason</c> (JSON), <c>roots/</c> roots of the hook;</item>
/// <item><c>batch.json</c> the publish under way, written before anything is sent: after a kill the same transaction id is used again;</item>
/// <item><c>done.json</c> a publish that is committed, whose entries and roots are being removed;</item>
/// <item><c>agent.json</c> what the agent last said of itself, <c>agent.lock</c> held while one runs.</item>
/// </list>
/// </summary>
internal sealed class Spool
{
    public const string DefaultFolder = "/var/spool/cvmfsnix";
    public const string Variable = "CVMFSNIX_SPOOL";

    private const int EntryBytesMax = 4 << 20;

    private readonly string _new, _alone, _bad, _batch, _done, _state, _lock;

    public Spool(string folder)
    {
        Folder = Path.GetFullPath(folder);
        Temporary = Folder + "/tmp";
        _new = Folder + "/new";
        _alone = Folder + "/alone";
        _bad = Folder + "/bad";
        _batch = Folder + "/batch.json";
        _done = Folder + "/done.json";
        _state = Folder + "/agent.json";
        _lock = Folder + "/agent.lock";
    }

    public string Folder { get; }

    /// <summary>Entries arrive here.</summary>
    public string Arrivals => _new;

    private string Temporary { get; }

    /// <summary>Makes the folders that are missing.</summary>
    /// <exception cref="CliException">They cannot be made.</exception>
    public void Create()
    {
        try
        {
            foreach (string folder in (string[])[Temporary, _new, _alone, _bad, Folder + "/roots"])
                Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw CliException.Usage($"The spool folder cannot be made: {e.Message}", Folder, $"name one that can be written with --spool or {Variable}");
        }
    }

    /// <summary>Makes sure that there is a spool.</summary>
    /// <exception cref="CliException">There is none, or it may not be looked at.</exception>
    public void CheckThere()
    {
        if (!Directory.Exists(_new))
            throw CliException.Usage("There is no spool in this folder.", Folder, $"name the folder that the hook writes to with --spool or {Variable}; cvmfsnix agent makes it");
    }

    /// <summary>Names of entries that wait, oldest first: those to be published alone, and the others.</summary>
    public (IReadOnlyList<string> Alone, IReadOnlyList<string> New) Waiting() => (Names(_alone), Names(_new));

    /// <summary>Names of entries set aside.</summary>
    public IReadOnlyList<string> Bad() => [.. Names(_bad).Where(static name => !name.EndsWith(".reason", StringComparison.Ordinal))];

    /// <summary>Reads an entry that waits; null where it is gone.</summary>
    /// <exception cref="FormatException">It is no entry.</exception>
    public SpoolEntry? Read(string name) => Text(Find(name)) is { } text ? SpoolEntry.Parse(text) : null;

    /// <summary>When an entry that waits came.</summary>
    public DateTimeOffset? ArrivedAt(string name) =>
        File.GetLastWriteTimeUtc(Find(name)) is { Year: > 1601 } at ? new DateTimeOffset(at) : null;

    public SpoolBatch? Batch => ReadJson(_batch, SpoolJson.Default.SpoolBatch);

    public SpoolBatch? Done => ReadJson(_done, SpoolJson.Default.SpoolBatch);

    public AgentState? State => ReadJson(_state, SpoolJson.Default.AgentState);

    /// <summary>Writes what is about to be published; it is on disk on return.</summary>
    public Task StartAsync(SpoolBatch batch, CancellationToken cancellationToken) =>
        DurableFile.WriteAtomicAsync(Temporary, _batch, JsonSerializer.SerializeToUtf8Bytes(batch, SpoolJson.Default.SpoolBatch), cancellationToken: cancellationToken);

    /// <summary>Writes what the agent says of itself.</summary>
    public Task WriteStateAsync(AgentState state, CancellationToken cancellationToken) =>
        DurableFile.WriteAtomicAsync(Temporary, _state, JsonSerializer.SerializeToUtf8Bytes(state, SpoolJson.Default.AgentState), cancellationToken: cancellationToken);

    /// <summary>The batch is committed: from here on it is only cleaned up, also after a kill.</summary>
    public void Commit()
    {
        File.Move(_batch, _done, overwrite: true);
        DirectorySync.Sync(Folder);
        CleanUp();
    }

    /// <summary>Removes entries and roots of a committed batch, if there is one.</summary>
    public void CleanUp()
    {
        if (Done is not { } done)
            return;
        foreach (string name in done.Entries)
        {
            RemoveRoots(name);
            File.Delete(Find(name));
        }

        DirectorySync.Sync(_new);
        DirectorySync.Sync(_alone);
        File.Delete(_done);
    }

    /// <summary>The batch was refused: its entries are to be published one by one.</summary>
    public void Split(SpoolBatch batch)
    {
        foreach (string name in batch.Entries)
        {
            if (File.Exists($"{_new}/{name}"))
                File.Move($"{_new}/{name}", $"{_alone}/{name}", overwrite: true);
        }

        DirectorySync.Sync(_alone);
        File.Delete(_batch);
        DirectorySync.Sync(Folder);
    }

    /// <summary>Takes an entry, and the batch that holds nothing else, out of the way. Its roots stay: it may be tried again.</summary>
    public async Task SetAsideAsync(string name, BadEntry reason, CancellationToken cancellationToken)
    {
        await DurableFile.WriteAtomicAsync(
            Temporary, $"{_bad}/{name}.reason", JsonSerializer.SerializeToUtf8Bytes(reason, SpoolJson.Default.BadEntry), cancellationToken: cancellationToken);
        string entry = Find(name);
        if (File.Exists(entry))
            File.Move(entry, $"{_bad}/{name}", overwrite: true);
        DirectorySync.Sync(_bad);
        if (Batch is { } batch && batch.Entries.SequenceEqual([name]))
            File.Delete(_batch);
    }

    /// <summary>Why an entry was set aside; null where that is not on record.</summary>
    public BadEntry? Reason(string name) => ReadJson($"{_bad}/{name}.reason", SpoolJson.Default.BadEntry);

    /// <summary>Puts entries that were set aside back to be tried again, each alone.</summary>
    public int Retry()
    {
        IReadOnlyList<string> names = Bad();
        foreach (string name in names)
        {
            File.Move($"{_bad}/{name}", $"{_alone}/{name}", overwrite: true);
            File.Delete($"{_bad}/{name}.reason");
        }

        return names.Count;
    }

    /// <summary>Removes what a killed hook or agent left half-written long ago.</summary>
    public void RemoveLeftovers(DateTimeOffset now)
    {
        foreach (string file in Directory.EnumerateFiles(Temporary))
        {
            if (now.UtcDateTime - File.GetLastWriteTimeUtc(file) > TimeSpan.FromDays(1))
                File.Delete(file);
        }
    }

    /// <summary>Takes the lock of the one agent; null where another has it. The kernel gives it back when the process ends, however.</summary>
    public FileStream? TryLock()
    {
        try
        {
            return new FileStream(_lock, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(_lock))
        {
            return null;
        }
    }

    /// <summary>Whether an agent runs on this spool.</summary>
    public bool IsServed()
    {
        if (!File.Exists(_lock))
            return false;
        try
        {
            // A shared lock for a moment: refused while an agent holds its own.
            using var probe = new FileStream(_lock, FileMode.Open, FileAccess.Read, FileShare.Read);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static IReadOnlyList<string> Names(string folder)
    {
        try
        {
            return [.. Directory.EnumerateFiles(folder).Select(static file => Path.GetFileName(file)).Where(static name => name[0] != '.').Order(StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static string? Text(string file)
    {
        try
        {
            var info = new FileInfo(file);
            return info.Length > EntryBytesMax
                ? throw new FormatException($"it has {info.Length} bytes, more than {EntryBytesMax}")
                : File.ReadAllText(file, Encoding.UTF8);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static T? ReadJson<T>(string file, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> shape)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(file), shape);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new CliException("DamagedSpool", $"A file of the spool cannot be read: {e.Message}", file, "remove the file; what it stood for is published anew from the entries", innerException: e);
        }
    }

    private string Find(string name) => File.Exists($"{_alone}/{name}") ? $"{_alone}/{name}" : $"{_new}/{name}";

    private void RemoveRoots(string name)
    {
        SpoolEntry? entry;
        try
        {
            entry = Read(name);
        }
        catch (FormatException)
        {
            return;
        }

        // Only links, and only those the hook names after its entry: an entry cannot have other files removed.
        foreach (string root in entry?.Roots ?? [])
        {
            if (Path.GetFileName(root).StartsWith(name + "-", StringComparison.Ordinal) && new FileInfo(root).LinkTarget is not null)
                File.Delete(root);
        }
    }
}
