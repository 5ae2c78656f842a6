using CvmfsNix.Cluster.Cvmfs.Reflog;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Reflogs of stock servers.</summary>
public sealed class ReflogTarget : SqliteTarget
{
    public override string Name => "reflog";

    public override AllocationBound Allocation => new(2 << 20, 200);

    public override IEnumerable<byte[]> Seeds() => [Golden.Named(".cvmfsreflog")];

    protected override string Read(string file, Random random)
    {
        try
        {
            IReadOnlyList<ReflogEntry> entries = ReflogReader.Read(file);
            Oracle.Require(entries.Count <= new FileInfo(file).Length / 8, "more entries than the file has room for");
            return Accepted;
        }
        catch (ReflogFormatException e)
        {
            return e.Message;
        }
    }
}
