using CvmfsNix.Cluster.Store.Records.Wire;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>Reads a record file item by item and insists on its end item.</summary>
internal static class RecordFileReader
{
    /// <exception cref="RecordFormatException">The file is torn or no record file.</exception>
    public static IEnumerable<FileItem> Read(Stream source, string file)
    {
        using var buffered = new BufferedStream(source, 1 << 16);
        for (long items = 0; ; items++)
        {
            FileItem item;
            try
            {
                item = FileItem.Parser.ParseDelimitedFrom(buffered);
            }
            catch (InvalidProtocolBufferException e)
            {
                throw new RecordFormatException(file, $"item {items} is torn or unreadable", e);
            }

            if (item.ItemCase != FileItem.ItemOneofCase.End)
            {
                yield return item;
                continue;
            }

            if (item.End.Items != items)
                throw new RecordFormatException(file, $"it ends after {items} items and says there are {item.End.Items}");
            if (buffered.ReadByte() >= 0)
                throw new RecordFormatException(file, "bytes follow its end item");
            yield break;
        }
    }
}
