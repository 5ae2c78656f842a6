using CsCheck;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Objects;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Catalogs;

public class CatalogReaderTests
{
    [Theory]
    [InlineData("", 338333539836370388, 9098107892288553193)]
    [InlineData("/a", -2906336618250618618, -744252105585281751)]
    [InlineData("/a/b", -79414819578584146, 8517581007188477988)]
    public void Path_keys_are_the_known_ones(string path, long high, long low) => Assert.Equal(new PathKey(high, low), RepositoryPath.Parse(path).Key);

    [Fact]
    public void Every_golden_catalog_counts_up_to_its_statistics()
    {
        using var folder = new TemporaryFolder();
        var names = Golden.Objects(ObjectKind.Catalog).ToList();
        Assert.True(names.Count > 10);
        var totals = names.ToDictionary(name => name.Hash, name =>
        {
            using var reader = CatalogReader.Open(folder.Write(name.ToString(), Golden.Content(name)));
            Assert.Equal(reader.CountRows(), reader.Statistics.Self);
            Assert.Equal(reader.All().Aggregate(CatalogCounts.Zero, (sum, entry) => sum + CatalogCounts.Of(entry)) with { Nested = reader.Nested().Count }, reader.Statistics.Self);
            Assert.Equal(7, reader.SchemaRevision);
            return (reader.Statistics, Nested: reader.Nested());
        });
        foreach (var (statistics, nested) in totals.Values)
        {
            if (!nested.All(n => totals.ContainsKey(n.Hash))) continue;
            Assert.Equal(nested.Aggregate(CatalogCounts.Zero, (sum, n) => sum + totals[n.Hash].Statistics.Total), statistics.Subtree);
        }
    }

    [Fact]
    public void Golden_rows_written_anew_keep_their_flags_and_fields()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in Golden.Objects(ObjectKind.Catalog))
        {
            using var reader = CatalogReader.Open(folder.Write(name.ToString(), Golden.Content(name)));
            using var writer = CatalogWriter.Create(reader.Properties);
            foreach (var entry in reader.All()) writer.Insert(entry);
            foreach (var nested in reader.Nested()) writer.SetNested(nested);
            writer.SetSubtree(reader.Statistics.Subtree);
            using var again = CatalogReader.Open(folder.Write("again", writer.ToBytes()), deleteOnClose: true);
            Assert.Equal(reader.All().Select(e => e with { ModifiedAtNanos = null }), again.All());
            Assert.Equal(reader.Statistics, again.Statistics);
            Assert.Equal(reader.Properties, again.Properties);
            Assert.Equal(reader.Nested(), again.Nested());
        }
    }

    [Fact]
    public void A_damaged_catalog_is_read_or_refused_but_never_crashes()
    {
        using var folder = new TemporaryFolder();
        var good = Golden.Content(new ObjectName(Golden.Manifest().Manifest.RootHash, ObjectKind.Catalog));
        var damages = Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte).Array[1, 30];
        damages.Sample(damage =>
        {
            var bad = good.ToArray();
            foreach (var (at, value) in damage) bad[at] = value;
            var file = folder.Write(Guid.NewGuid().ToString("N"), bad);
            try
            {
                using var reader = CatalogReader.Open(file, deleteOnClose: true);
                _ = reader.All().Count();
                _ = reader.Nested();
                _ = reader.CountRows();
            }
            catch (CatalogFormatException)
            {
                // The only exception there may be.
            }

            Assert.False(File.Exists(file));
        }, iter: 300);
        Gen.Byte.Array[0, 3000].Sample(bytes => Assert.Throws<CatalogFormatException>(() => CatalogReader.Open(folder.Write(Guid.NewGuid().ToString("N"), bytes))), iter: 50);
    }

    [Fact]
    public void A_catalog_in_write_ahead_format_is_refused()
    {
        using var folder = new TemporaryFolder();
        var bytes = Golden.Content(Golden.Objects(ObjectKind.Catalog).First());
        bytes[18] = 2;
        bytes[19] = 2;
        Assert.Contains("write-ahead", Assert.Throws<CatalogFormatException>(() => CatalogReader.Open(folder.Write("c", bytes))).Message);
    }

    [Fact]
    public void Paths_keep_their_bytes_and_refuse_what_is_no_path()
    {
        foreach (var bad in new[] { "a", "/a/", "//", "/a//b", "/.", "/a/..", "/a\0b" }) Assert.Throws<FormatException>(() => RepositoryPath.Parse(bad));
        var odd = new RepositoryPath(new byte[] { (byte)'/', 0xFF, 0xFE });
        Assert.Equal([0xFF, 0xFE], odd.Name.ToArray());
        Assert.Equal(RepositoryPath.Root, odd.Parent);
        Assert.True(RepositoryPath.Parse("/") == RepositoryPath.Root);
        Assert.True(RepositoryPath.Parse("/a/b").IsAtOrBelow(RepositoryPath.Parse("/a")));
        Assert.True(RepositoryPath.Parse("/a").IsAtOrBelow(RepositoryPath.Root));
        Assert.False(RepositoryPath.Parse("/ab").IsAtOrBelow(RepositoryPath.Parse("/a")));
        Gen.Byte.Array[0, 40].Sample(bytes => RepositoryPath.TryCreate(bytes, out var path) ? path.Bytes.Span.SequenceEqual(bytes) : path.IsRoot);
    }

    [Fact]
    public void Attributes_are_encoded_as_the_format_says_and_read_back()
    {
        Assert.Equal("01010903757365722e6e6f7465616263", Convert.ToHexStringLower(Xattrs.Encode([("user.note"u8.ToArray(), "abc"u8.ToArray())])!));
        Assert.Null(Xattrs.Encode([]));
        Assert.Throws<ArgumentException>(() => Xattrs.Encode([(new byte[256], default)]));
        Assert.Throws<ArgumentException>(() => Xattrs.Encode([("a"u8.ToArray(), new byte[256])]));
        Assert.Throws<ArgumentException>(() => Xattrs.Encode([("a"u8.ToArray(), default), ("a"u8.ToArray(), default)]));
        Gen.Dictionary(Gen.Char['a', 'z'].Array[1, 200].Select(c => new string(c)), Gen.Byte.Array[0, 255])[1, 20].Sample(given =>
        {
            var blob = Xattrs.Encode([.. given.Select(a => ((ReadOnlyMemory<byte>)System.Text.Encoding.ASCII.GetBytes(a.Key), (ReadOnlyMemory<byte>)a.Value))])!;
            Assert.True(Xattrs.TryDecode(blob, out var read));
            Assert.Equal(given.Keys.Order(StringComparer.Ordinal), read.Select(a => System.Text.Encoding.ASCII.GetString(a.Key.Span)));
            Assert.All(read, a => Assert.Equal(given[System.Text.Encoding.ASCII.GetString(a.Key.Span)], a.Value.ToArray()));
            Assert.Equal(blob, Xattrs.Encode(read));
            Assert.False(Xattrs.TryDecode(blob.AsMemory(0, blob.Length - 1), out _));
        });
        Gen.Byte.Array[0, 60].Sample(bytes => { _ = Xattrs.TryDecode(bytes, out _) && Xattrs.TryDecode(new byte[] { 1, 1 }.Concat(bytes).ToArray(), out _); });
    }
}
