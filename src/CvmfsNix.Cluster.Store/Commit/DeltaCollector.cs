using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Store.Commit;

/// <summary>
/// Writes a delta file and leaves out what it wrote lately: paths of one closure share many objects. It remembers a bounded number, so an
/// object may come again in a very large delta; readers expect that.
/// </summary>
internal sealed class DeltaCollector(DeltaFileWriter file)
{
    // About 3 MiB for both sets, taken at once and not by doubling, which leaves as much garbage again.
    private const int RememberedMax = 1 << 15;

    private readonly HashSet<ObjectName> _objects = new(RememberedMax);
    private readonly HashSet<ContentDigest> _contents = new(RememberedMax);

    /// <summary>Adds what a path needs. Returns the stored bytes of the objects written.</summary>
    public long Add(PathRecord record)
    {
        long bytes = 0;
        foreach (DeltaObject o in record.Objects)
            bytes += Add(o);
        foreach (DeltaContent content in record.Contents)
        {
            if (_contents.Count >= RememberedMax)
                _contents.Clear();
            if (_contents.Add(content.Digest))
                file.Write(content);
        }

        return bytes;
    }

    /// <summary>Adds an object. Returns its stored bytes, or 0 when it was written lately.</summary>
    public long Add(DeltaObject o)
    {
        if (_objects.Count >= RememberedMax)
            _objects.Clear();
        if (!_objects.Add(o.Name))
            return 0;
        file.Write(o);
        return o.StoredSize;
    }
}
