using CvmfsNix.Cluster.Store.Records.Wire;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>
/// The objects a revision needs beyond those of the revision before it, and the file contents they hold.
/// An object or content may be named more than once: who must count, counts names.
/// </summary>
public static class DeltaFile
{
    /// <summary>Reads the objects and disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<DeltaObject> ReadObjects(Stream source, string file)
    {
        foreach ((DeltaObject? o, _) in Read(source, file))
        {
            if (o is not null)
                yield return o;
        }
    }

    /// <summary>Reads everything in the order written: of each pair, one is set. Disposes the stream.</summary>
    /// <exception cref="RecordFormatException">It is torn or holds something else.</exception>
    public static IEnumerable<(DeltaObject? Object, DeltaContent? Content)> Read(Stream source, string file)
    {
        foreach (FileItem item in RecordFileReader.Read(source, file))
        {
            yield return item.ItemCase switch
            {
                FileItem.ItemOneofCase.Object => (RecordMapping.FromWire(item.Object, file), null),
                FileItem.ItemOneofCase.Content => (null, RecordMapping.FromWire(item.Content, file)),
                _ => throw new RecordFormatException(file, $"a delta file holds objects and contents, not a {item.ItemCase}"),
            };
        }
    }
}

/// <summary>Writes a <see cref="DeltaFile"/> item by item.</summary>
public sealed class DeltaFileWriter(Stream destination)
{
    private readonly RecordFileWriter _file = new(destination);

    public void Write(DeltaObject value) => _file.Write(new FileItem { Object = RecordMapping.ToWire(value) });

    public void Write(DeltaContent value) => _file.Write(new FileItem { Content = RecordMapping.ToWire(value) });

    /// <summary>Ends the file; without this a reader takes it for torn.</summary>
    public void Finish() => _file.Finish();
}
