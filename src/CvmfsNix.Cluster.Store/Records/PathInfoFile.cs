using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Store.Records.Wire;
using PathInfo = CvmfsNix.Cluster.Nix.PathInfos.PathInfo;
using PathRecord = CvmfsNix.Cluster.Store.Records.PathRecord;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>
/// The registrations of the paths a revision added, ascending by path; then the records of those it removed, ascending by path, with which they can be had
/// back and which tell what only they needed; then the registrations of paths that were there and got signatures.
/// </summary>
public static class PathInfoFile
{
    /// <summary>Writes the file; the stream stays the caller's.</summary>
    public static void Write(Stream destination, IEnumerable<PathInfo> infos)
    {
        var file = new PathInfoFileWriter(destination);
        foreach (PathInfo info in infos)
            file.Write(info);
        file.Finish();
    }

    /// <summary>Reads the registrations forwards and disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<PathInfo> Read(Stream source, string file)
    {
        foreach (FileItem item in Items(source, file))
        {
            if (item.PathInfo is { } wire)
                yield return RecordMapping.FromWire(wire, file);
        }
    }

    /// <summary>Reads the records of removed paths forwards and disposes the stream.</summary>
    /// <param name="source">The file.</param>
    /// <param name="algorithm">The repository's hash algorithm.</param>
    /// <param name="file">What errors call it.</param>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<PathRecord> ReadRemoved(Stream source, HashAlgorithmId algorithm, string file)
    {
        foreach (FileItem item in Items(source, file))
        {
            if (item.Removed is { } wire)
                yield return RecordMapping.FromWire(wire, algorithm, file);
        }
    }

    /// <summary>Reads the names of removed paths forwards and disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<StorePathName> ReadRemovedNames(Stream source, string file)
    {
        foreach (FileItem item in Items(source, file))
        {
            if (item.Removed is { } wire)
                yield return RecordMapping.FromWire(wire.Info, file).Path;
        }
    }

    /// <summary>Reads the registrations of paths that got signatures forwards and disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<PathInfo> ReadSigned(Stream source, string file)
    {
        foreach (FileItem item in Items(source, file))
        {
            if (item.Signed is { } wire)
                yield return RecordMapping.FromWire(wire, file);
        }
    }

    private static IEnumerable<FileItem> Items(Stream source, string file)
    {
        foreach (FileItem item in RecordFileReader.Read(source, file))
        {
            yield return item.PathInfo is not null || item.Signed is not null || item.Removed is { Info: not null }
                ? item
                : throw new RecordFormatException(file, $"a path-info file holds registrations and removed paths, not a {item.ItemCase}");
        }
    }
}

/// <summary>Writes a <see cref="PathInfoFile"/> path by path.</summary>
public sealed class PathInfoFileWriter(Stream destination)
{
    private readonly RecordFileWriter _file = new(destination);

    public void Write(PathInfo info) => _file.Write(new FileItem { PathInfo = RecordMapping.ToWire(info) });

    /// <summary>Adds a path that was removed.</summary>
    public void WriteRemoved(PathRecord record) => _file.Write(new FileItem { Removed = RecordMapping.ToWire(record) });

    /// <summary>Adds a path that was there, with all the signatures it has now.</summary>
    public void WriteSigned(PathInfo info) => _file.Write(new FileItem { Signed = RecordMapping.ToWire(info) });

    /// <summary>Ends the file; without this a reader takes it for torn.</summary>
    public void Finish() => _file.Finish();
}
