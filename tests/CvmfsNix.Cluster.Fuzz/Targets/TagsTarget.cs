using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Tags;

namespace CvmfsNix.Cluster.Fuzz.Targets;

/// <summary>Tag databases: what can be written is read back as the same.</summary>
public sealed class TagsTarget : SqliteTarget
{
    public override string Name => "tags";

    public override AllocationBound Allocation => new(2 << 20, 200);

    public override IEnumerable<byte[]> Seeds()
    {
        foreach ((_, byte[] content) in Golden.Objects(ObjectKind.History).Take(2))
            yield return content;
        var trunk = new RepositoryTag("trunk", ObjectHasher.Hash(HashAlgorithmId.Shake128, "x"u8), 7, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000), 4096, "current HEAD");
        yield return TagDatabase.Write("test.example.org", [trunk, trunk with { Name = "trunk-previous", Revision = 6 }, trunk with { Name = "v1", Revision = 2, Branch = "side" }]);
    }

    protected override string Read(string file, Random random)
    {
        IReadOnlyList<RepositoryTag> tags;
        try
        {
            tags = TagDatabase.Read(file);
        }
        catch (TagDatabaseFormatException e)
        {
            return e.Message;
        }

        byte[] bytes;
        try
        {
            bytes = TagDatabase.Write("test.example.org", tags);
        }
        catch (ArgumentException e)
        {
            return $"{Accepted} but not to be written: {e.Message}";
        }

        string second = Second(bytes);
        Oracle.Require(TagDatabase.Read(second).SequenceEqual(tags), "the tags written and read again differ");
        File.Delete(second);
        return Accepted;
    }
}
