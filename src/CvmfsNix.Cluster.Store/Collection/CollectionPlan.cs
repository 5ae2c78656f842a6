using System.Globalization;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Collection;

/// <summary>
/// Objects that a finished look at everything found to be needed by nothing. Kept in a file, so that a process that was killed in the middle of deleting goes on. It
/// is good for the boot it was made in only: that somebody counted on an object since shows in the object's time, and times may be lost with the power.
/// </summary>
internal sealed class CollectionPlan
{
    private const string BootFile = "/proc/sys/kernel/random/boot_id";
    private const string Head = "cvmfsnix collection 1";

    private readonly string _file;

    private CollectionPlan(string file, DateTimeOffset cutoff, IReadOnlyList<ObjectName> objects)
    {
        _file = file;
        Cutoff = cutoff;
        Objects = objects;
    }

    /// <summary>What was counted on at this time or later stays.</summary>
    public DateTimeOffset Cutoff { get; }

    /// <summary>The objects, in the order of their names.</summary>
    public IReadOnlyList<ObjectName> Objects { get; }

    /// <summary>Writes a plan durably.</summary>
    public static async Task<CollectionPlan> WriteAsync(string folder, DateTimeOffset cutoff, IReadOnlyList<ObjectName> objects, CancellationToken cancellationToken)
    {
        DurableDirectory.Ensure(folder);
        string file = FileIn(folder);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Head}\n{Boot()}\n{cutoff.UtcTicks}\n{objects.Count}\n");
        foreach (ObjectName name in objects)
            text.Append(name.ToString()).Append('\n');
        await DurableFile.WriteAtomicAsync(folder, file, Encoding.ASCII.GetBytes(text.ToString()), cancellationToken: cancellationToken).ConfigureAwait(false);
        return new CollectionPlan(file, cutoff, objects);
    }

    /// <summary>The plan of a process of this boot; null when there is none, or none that can be read whole.</summary>
    public static CollectionPlan? TryRead(string folder)
    {
        string file = FileIn(folder);
        if (!File.Exists(file))
            return null;
        string[] lines = File.ReadAllLines(file);
        if (lines.Length < 4 || lines[0] != Head || lines[1] != Boot() || lines[1].Length == 0
            || !long.TryParse(lines[2], NumberStyles.None, CultureInfo.InvariantCulture, out long cutoff)
            || !int.TryParse(lines[3], NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            || lines.Length != 4 + count)
        {
            return null;
        }

        var objects = new List<ObjectName>(count);
        foreach (string line in lines.Skip(4))
        {
            if (!ObjectName.TryParse(line, out ObjectName name))
                return null;
            objects.Add(name);
        }

        return new CollectionPlan(file, new DateTimeOffset(cutoff, TimeSpan.Zero), objects);
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
}
