using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records.Wire;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>Writes a transaction's bundle: the header, then its paths in ascending order, one in memory at a time.</summary>
public sealed class BundleWriter
{
    private readonly RecordFileWriter _file;
    private StorePathName? _last;

    /// <summary>Writes the header. The stream stays the caller's.</summary>
    public BundleWriter(Stream destination, BundleHeader header)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentNullException.ThrowIfNull(header);
        _file = new RecordFileWriter(destination);
        _file.Write(new FileItem { Bundle = RecordMapping.ToWire(header) });
    }

    /// <summary>Adds a path.</summary>
    /// <exception cref="ArgumentException">It does not come after the one before it.</exception>
    public void Write(PathRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        if (_last is { } last && record.Info.Path.CompareTo(last) <= 0)
            throw new ArgumentException($"{record.Info.Path} does not come after {last}: a bundle is ordered and names no path twice.", nameof(record));
        _last = record.Info.Path;
        _file.Write(new FileItem { Path = RecordMapping.ToWire(record) });
    }

    /// <summary>Ends the bundle; without this a reader takes it for torn.</summary>
    public void Finish() => _file.Finish();
}
