using CvmfsNix.Cluster.Store.Records.Wire;
using PathInfo = CvmfsNix.Cluster.Nix.PathInfos.PathInfo;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>The registrations of the paths a revision added, ascending by path.</summary>
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

    /// <summary>Reads the file forwards and disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<PathInfo> Read(Stream source, string file)
    {
        foreach (FileItem item in RecordFileReader.Read(source, file))
        {
            yield return item.PathInfo is { } wire
                ? RecordMapping.FromWire(wire, file)
                : throw new RecordFormatException(file, $"a path-info file holds registrations, not a {item.ItemCase}");
        }
    }
}

/// <summary>Writes a <see cref="PathInfoFile"/> path by path.</summary>
public sealed class PathInfoFileWriter(Stream destination)
{
    private readonly RecordFileWriter _file = new(destination);

    public void Write(PathInfo info) => _file.Write(new FileItem { PathInfo = RecordMapping.ToWire(info) });

    /// <summary>Ends the file; without this a reader takes it for torn.</summary>
    public void Finish() => _file.Finish();
}
