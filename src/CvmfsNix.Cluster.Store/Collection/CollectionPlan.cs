using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Files;
using CvmfsNix.Cluster.Store.Objects;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// Objects that a finished look at everything found to be needed by nothing. Kept in a file, so that a process that was killed in the middle of deleting goes on, and
/// that one of 256 parts is in memory at a time. It is good for the boot it was made in only: that somebody counted on an object since shows in the object's time, and
/// times may be lost with the power.
/// </summary>
internal sealed class CollectionPlan
{
    private const string BootFile = "/proc/sys/kernel/random/boot_id";
    private const string Head = "cvmfsnix collection 2";
    private const string Tail = "end ";
    private const int HeadLines = 4;

    private readonly string _file;

    private CollectionPlan(string file, DateTimeOffset cutoff, DateTimeOffset begun, long count)
    {
        _file = file;
        Cutoff = cutoff;
        Begun = begun;
        Count = count;
    }

    /// <summary>What was counted on at this time or later stays.</summary>
    public DateTimeOffset Cutoff { get; }

    /// <summary>When the look began. Before this time the clock has been set back, and files that are counted on now look older than they are.</summary>
    public DateTimeOffset Begun { get; }

    /// <summary>How many objects there are.</summary>
    public long Count { get; }

    /// <summary>The plan of a process of this boot; null when there is none, or none that can be read whole.</summary>
    public static CollectionPlan? TryRead(string folder)
    {
        string file = FileIn(folder);
        if (!File.Exists(file))
            return null;
        using StreamReader lines = File.OpenText(file);
        if (lines.ReadLine() != Head || lines.ReadLine() is not { Length: > 0 } boot || boot != Boot() || TimeIn(lines.ReadLine()) is not { } cutoff || TimeIn(lines.ReadLine()) is not { } begun)
            return null;
        long count = 0;
        byte part = 0;
        for (; ; count++)
        {
            string? line = lines.ReadLine();
            if (line?.StartsWith(Tail, StringComparison.Ordinal) == true)
                return line == Tail + count.ToString(CultureInfo.InvariantCulture) && lines.ReadLine() is null ? new CollectionPlan(file, cutoff, begun, count) : null;
            if (!ObjectName.TryParse(line, out ObjectName name) || DirectoryObjectStore.DirectoryOf(name) < part)
                return null;
            part = DirectoryObjectStore.DirectoryOf(name);
        }
    }

    /// <summary>The objects by the directory they lie in, ascending.</summary>
    public IEnumerable<(byte Part, HashSet<ObjectName> Names)> Parts()
    {
        var names = new HashSet<ObjectName>();
        byte part = 0;
        foreach (string line in File.ReadLines(_file).Skip(HeadLines))
        {
            if (!ObjectName.TryParse(line, out ObjectName name))
                break;
            if (names.Count > 0 && DirectoryObjectStore.DirectoryOf(name) != part)
            {
                yield return (part, names);
                names = [];
            }

            part = DirectoryObjectStore.DirectoryOf(name);
            names.Add(name);
        }

        if (names.Count > 0)
            yield return (part, names);
    }

    /// <summary>It is done.</summary>
    public void Delete() => File.Delete(_file);

    /// <summary>Throws a plan away that is good for nothing.</summary>
    public static void Forget(string folder)
    {
        if (File.Exists(FileIn(folder)))
            File.Delete(FileIn(folder));
    }

    private static string FileIn(string folder) => Path.Combine(folder, "plan");

    private static string Boot() => File.Exists(BootFile) ? File.ReadAllText(BootFile).Trim() : "";

    private static DateTimeOffset? TimeIn(string? line) =>
        long.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out long ticks) && ticks <= DateTimeOffset.MaxValue.Ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>Writes a plan, in the order of the directories; there is none before it is completed.</summary>
    internal sealed class Writer : IDisposable
    {
        private readonly string _folder;
        private readonly DateTimeOffset _cutoff;
        private readonly DateTimeOffset _begun;
        private readonly FileStream _stream;
        private readonly StreamWriter _text;
        private long _count;
        private bool _completed;

        /// <param name="folder">Made if it is not there.</param>
        /// <param name="cutoff">What was counted on at this time or later stays.</param>
        /// <param name="begun">When the look began.</param>
        public Writer(string folder, DateTimeOffset cutoff, DateTimeOffset begun)
        {
            DurableDirectory.Ensure(folder);
            (_folder, _cutoff, _begun) = (folder, cutoff, begun);
            // One that a kill left behind is written over.
            _stream = new FileStream(Temporary, FileMode.Create, FileAccess.Write);
            _text = new StreamWriter(_stream) { NewLine = "\n" };
            _text.WriteLine(Head);
            _text.WriteLine(Boot());
            _text.WriteLine(cutoff.UtcTicks.ToString(CultureInfo.InvariantCulture));
            _text.WriteLine(begun.UtcTicks.ToString(CultureInfo.InvariantCulture));
        }

        private string Temporary => Path.Combine(_folder, "plan.new");

        public void Add(ObjectName name)
        {
            _text.WriteLine(name.ToString());
            _count++;
        }

        /// <summary>On return the plan is durable.</summary>
        public CollectionPlan Complete()
        {
            _text.WriteLine(Tail + _count.ToString(CultureInfo.InvariantCulture));
            _text.Flush();
            _stream.Flush(flushToDisk: true);
            _text.Dispose();
            string file = FileIn(_folder);
            File.Move(Temporary, file, overwrite: true);
            _completed = true;
            DirectorySync.Sync(_folder);
            return new CollectionPlan(file, _cutoff, _begun, _count);
        }

        public void Dispose()
        {
            if (_completed)
                return;
            _text.Dispose();
            File.Delete(Temporary);
        }
    }
}
