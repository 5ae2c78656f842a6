using CvmfsNix.Cluster.Store.Records.Wire;
using Google.Protobuf;

namespace CvmfsNix.Cluster.Store.Records;

/// <summary>Writes the items of a record file one by one, so that a file of any length takes the memory of one item.</summary>
internal sealed class RecordFileWriter(Stream destination)
{
    private long _items;
    private bool _finished;

    public void Write(FileItem item)
    {
        ObjectDisposedException.ThrowIf(_finished, this);
        item.WriteDelimitedTo(destination);
        _items++;
    }

    /// <summary>Writes the end item, without which a reader takes the file for torn.</summary>
    public void Finish()
    {
        Write(new FileItem { End = new End { Items = _items } });
        _finished = true;
    }
}
