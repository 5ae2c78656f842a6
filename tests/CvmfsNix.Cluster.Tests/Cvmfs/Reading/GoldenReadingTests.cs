using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.TestKit;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cvmfs.Reading;

public class GoldenReadingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(null, "manifest-listing.tsv")]
    [InlineData("v1.0", "manifest-listing-v1.0.tsv")]
    [InlineData("v2.0", "manifest-listing-v2.0.tsv")]
    public async Task Every_row_is_what_the_stock_client_saw_in_a_folder(string? tag, string listing)
    {
        using var source = new DirectorySource(Golden.Folder);
        await CompareAsync(source, tag, listing);
    }

    [Theory]
    [InlineData(null, "manifest-listing.tsv")]
    [InlineData("v1.0", "manifest-listing-v1.0.tsv")]
    [InlineData("v2.0", "manifest-listing-v2.0.tsv")]
    public async Task Every_row_is_what_the_stock_client_saw_over_http(string? tag, string listing)
    {
        using var server = new FolderServer(Golden.Folder);
        using var source = new HttpSource(server.Url);
        await CompareAsync(source, tag, listing);
        Assert.All(server.Requests, request => Assert.Equal("", request.AcceptEncoding));
    }

    [Fact]
    public async Task Listings_and_lookups_agree_with_the_walk_across_nested_catalogs()
    {
        using var source = new DirectorySource(Golden.Folder);
        await using var reader = await OpenAsync(source);
        var walked = new Dictionary<RepositoryPath, CatalogEntry>();
        await foreach (var entry in reader.WalkAsync(RepositoryPath.Root, true, Cancel)) walked.Add(entry.Path, entry);
        foreach (var entry in walked.Values)
        {
            Assert.Equal(entry, await reader.FindAsync(entry.Path, Cancel));
            if (entry.Type != EntryType.Directory) continue;
            var listed = new List<CatalogEntry>();
            await foreach (var child in reader.ListAsync(entry.Path, true, Cancel)) listed.Add(child);
            Assert.Equal(walked.Values.Where(e => !e.Path.IsRoot && e.Path.Parent == entry.Path).OrderBy(e => e.Path), listed);
        }

        Assert.Contains(walked.Keys, path => path == RepositoryPath.Parse("/nested/deeper/d1"));
        Assert.Null(await reader.FindAsync(RepositoryPath.Parse("/nestedx"), Cancel));
        Assert.Null(await reader.FindAsync(RepositoryPath.Parse("/nested/deeper/none"), Cancel));
        await Assert.ThrowsAsync<RepositoryPathException>(async () =>
        {
            await foreach (var _ in reader.ListAsync(RepositoryPath.Parse("/README.md"), cancellationToken: Cancel)) { }
        });
        await Assert.ThrowsAsync<RepositoryPathException>(async () =>
        {
            await foreach (var _ in reader.WalkAsync(RepositoryPath.Parse("/none"), cancellationToken: Cancel)) { }
        });
    }

    [Fact]
    public async Task A_walk_begins_anywhere_also_at_a_nested_catalog_and_at_a_file()
    {
        using var source = new DirectorySource(Golden.Folder);
        await using var reader = await OpenAsync(source);
        Assert.Equal(
            ["/nested/deeper", "/nested/deeper/.cvmfscatalog", "/nested/deeper/d1", "/nested/deeper/d2"],
            await PathsAsync(reader, "/nested/deeper"));
        Assert.Equal(["/README.md"], await PathsAsync(reader, "/README.md"));
    }

    [Fact]
    public async Task Open_catalogs_are_bounded_and_their_files_go_with_the_reader()
    {
        using var source = new DirectorySource(Golden.Folder);
        using var folder = new TemporaryFolder();
        var reader = await RepositoryReader.OpenAsync(source, [Golden.PublicKey], Golden.Options() with { OpenCatalogsMax = 1, CacheDirectory = folder.Path }, Cancel);
        for (var round = 0; round < 2; round++)
        {
            Assert.Equal(173, await CountAsync(reader));
            Assert.Single(Directory.EnumerateFiles(folder.Path, "*.catalog", SearchOption.AllDirectories));
        }

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CountAsync(reader)));
        Assert.Single(Directory.EnumerateFiles(folder.Path, "*.catalog", SearchOption.AllDirectories));
        await reader.DisposeAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Fact]
    public async Task Tags_are_those_of_the_database()
    {
        using var source = new DirectorySource(Golden.Folder);
        await using var reader = await OpenAsync(source);
        var tags = await reader.TagsAsync(Cancel);
        Assert.Equal(8, tags.Count);
        var tag = tags.Single(t => t.Name == "v2.0");
        Assert.Equal((5UL, "second_release", 39936L, "4fd1bc51a9af60cf2c131f5b85ee920224e83349"), (tag.Revision, tag.Description, tag.RootSize, tag.RootHash.ToString()));
        Assert.Equal(reader.RootHash, tags.Single(t => t.Name == "trunk").RootHash);
    }

    private static async Task<int> CountAsync(RepositoryReader reader)
    {
        var count = 0;
        await foreach (var _ in reader.WalkAsync(RepositoryPath.Root, cancellationToken: Cancel)) count++;
        return count;
    }

    private static async Task<List<string>> PathsAsync(RepositoryReader reader, string from)
    {
        var paths = new List<string>();
        await foreach (var entry in reader.WalkAsync(RepositoryPath.Parse(from), cancellationToken: Cancel)) paths.Add(entry.Path.ToString());
        return paths;
    }

    private static Task<RepositoryReader> OpenAsync(IRepositorySource source, string? tag = null) => RepositoryReader.OpenAsync(source, [Golden.PublicKey], Golden.Options(tag), Cancel);

    private static async Task CompareAsync(IRepositorySource source, string? tag, string listing)
    {
        var expected = (await File.ReadAllLinesAsync(TestData.Path("golden-cvmfs/" + listing), Cancel)).Where(line => !line.StartsWith('#')).ToList();
        await using var reader = await OpenAsync(source, tag);
        var actual = new List<string>();
        await foreach (var entry in reader.WalkAsync(RepositoryPath.Root, cancellationToken: Cancel)) actual.Add(await RowAsync(reader, entry));
        Assert.Equal(expected.Order(StringComparer.Ordinal), actual.Order(StringComparer.Ordinal));
    }

    private static async Task<string> RowAsync(RepositoryReader reader, CatalogEntry entry)
    {
        var type = entry.Type switch { EntryType.Directory => "d", EntryType.Regular => "f", EntryType.Symlink => "l", _ => "p" };
        var digest = "-";
        if (entry.Type == EntryType.Regular)
        {
            await using var content = await reader.OpenFileAsync(entry, Cancel);
            digest = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, Cancel));
        }

        var directory = entry.Type == EntryType.Directory;
        return string.Join('\t',
            Escape(entry.Path.ToString()), type, Convert.ToString(entry.Mode & 0xFFF, 8).PadLeft(4, '0'), entry.UserId, entry.GroupId,
            directory ? "-" : entry.Size.ToString(CultureInfo.InvariantCulture), entry.ModifiedAt, directory ? "-" : entry.LinkCount.ToString(CultureInfo.InvariantCulture),
            digest, entry.Type == EntryType.Symlink ? Encoding.UTF8.GetString(entry.SymlinkTarget.Span) : "-", Attributes(entry));
    }

    private static string Attributes(CatalogEntry entry)
    {
        if (entry.Xattrs is not { } blob) return "-";
        Assert.True(Xattrs.TryDecode(blob, out var attributes));
        return string.Join(',', attributes.Select(a => $"{Encoding.UTF8.GetString(a.Key.Span)}={Convert.ToHexStringLower(a.Value.Span)}"));
    }

    // The listings escape what is not ASCII, and nothing else.
    private static string Escape(string path) => string.Concat(Encoding.UTF8.GetBytes(path).Select(b => b < 0x80 ? ((char)b).ToString() : $"%{b:X2}"));
}
