using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Fuzz.Reading;
using CvmfsNix.Cluster.Store.Records;
using CvmfsNix.Cluster.TestKit.Store;
using CsCheck;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Store.Records;

public sealed class RecordFileTests
{
    private static readonly BundleHeader Header = new(TestRepository.Name, Guid.CreateVersion7(), ConflictPolicy.Refuse, "default", SyntheticPath.NameOf("target"));

    [Fact]
    public void A_bundle_comes_back_as_it_was_written()
    {
        PathRecord[] written = Records();
        using var reader = new BundleReader(new MemoryStream(Bundle(written)), HashAlgorithmId.Sha1, "bundle");
        PathRecord[] read = [.. reader.Paths()];
        Assert.Equal(Header, reader.Header);
        Assert.Equal(Bundle(written), Bundle(read));
        Assert.Equal(written.Select(r => r.Info.Path), read.Select(r => r.Info.Path));
    }

    [Fact]
    public void A_cut_bundle_is_an_error_wherever_it_was_cut()
    {
        byte[] whole = Bundle(Records());
        Gen.Int[0, whole.Length - 1].Sample(length => Assert.Throws<RecordFormatException>(() => ReadAll(whole[..length])));
    }

    [Fact]
    public void Files_of_registrations_and_of_objects_come_back_however_the_bytes_arrive()
    {
        PathRecord[] records = Records();
        using var infos = new MemoryStream();
        PathInfoFile.Write(infos, records.Select(r => r.Info));
        using var delta = new MemoryStream();
        var writer = new DeltaFileWriter(delta);
        foreach (PathRecord record in records)
        {
            foreach (DeltaObject o in record.Objects)
                writer.Write(o);
            foreach (DeltaContent c in record.Contents)
                writer.Write(c);
        }

        writer.Finish();
        Gen.Int.Sample(seed =>
        {
            var random = new Random(seed);
            Assert.Equal(records.Select(r => r.Info), PathInfoFile.Read(new FragmentedStream(infos.ToArray(), random), "infos"));
            Assert.Equal(records.SelectMany(r => r.Objects), DeltaFile.ReadObjects(new FragmentedStream(delta.ToArray(), random), "delta"));
            Assert.Equal(
                records.SelectMany(r => r.Contents).Select(c => c.Digest),
                DeltaFile.Read(new FragmentedStream(delta.ToArray(), random), "delta").Where(i => i.Content is not null).Select(i => i.Content!.Digest));
            using var bundle = new BundleReader(new FragmentedStream(Bundle(records), random), HashAlgorithmId.Sha1, "bundle");
            Assert.Equal(records.Select(r => r.Info), bundle.Paths().Select(r => r.Info));
        });
    }

    [Fact]
    public void Damaged_bytes_are_an_error_or_another_bundle_but_nothing_worse() =>
        Gen.Select(Gen.Int[0, Bundle(Records()).Length - 1], Gen.Byte).Sample((at, value) =>
        {
            byte[] bytes = Bundle(Records());
            bytes[at] = value;
            try
            {
                ReadAll(bytes);
            }
            catch (RecordFormatException)
            {
                // Said clearly.
            }
        });

    [Fact]
    public void A_bundle_names_its_paths_in_order_and_once()
    {
        PathRecord[] records = Records();
        var bundle = new BundleWriter(Stream.Null, Header);
        bundle.Write(records[1]);
        Assert.Throws<ArgumentException>(() => bundle.Write(records[0]));
        Assert.Throws<ArgumentException>(() => bundle.Write(records[1]));
    }

    private static PathRecord[] Records() => [.. ((string[])["a", "b", "c"]).Select(name =>
    {
        SyntheticPath path = SyntheticPath.Of(name, SyntheticTree.Directory(
            ("chunked", SyntheticTree.File("0123456789", chunkSize: 4)), ("f", SyntheticTree.File(name, executable: true)), ("l", SyntheticTree.Symlink("f"))), [SyntheticPath.NameOf("z")]);
        return new PathRecord
        {
            Info = path.Upload.Info,
            InlineTree = path.Upload.Root,
            Objects = [.. path.Objects.Select(o => new DeltaObject(o.Key, o.Value.Length))],
            Contents = [.. path.Upload.Root.Children.Where(c => c.Content is not null).Select(c => new DeltaContent(c.Digest, c.Content!))],
        };
    }).OrderBy(r => r.Info.Path)];

    private static byte[] Bundle(IEnumerable<PathRecord> records)
    {
        using var stream = new MemoryStream();
        var bundle = new BundleWriter(stream, Header);
        foreach (PathRecord record in records)
            bundle.Write(record);
        bundle.Finish();
        return stream.ToArray();
    }

    private static void ReadAll(byte[] bytes)
    {
        using var reader = new BundleReader(new MemoryStream(bytes), HashAlgorithmId.Sha1, "bundle");
        foreach (PathRecord _ in reader.Paths())
        {
        }
    }
}
