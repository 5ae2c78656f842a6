using System.Text.Json;
using CvmfsNix.Cluster.TestKit;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Cli.Reading;

/// <summary><c>ls</c>, <c>cat</c> and <c>get</c> on the repository that the stock tools wrote.</summary>
public sealed class GoldenListingTests
{
    private static readonly string[] Access =
        ["--url", TestData.Path("golden-cvmfs/golden.example.org"), "--pubkey", TestData.Path("golden-cvmfs/golden.example.org.pub")];

    [Theory]
    [InlineData("manifest-listing.tsv", null)]
    [InlineData("manifest-listing-v1.0.tsv", "v1.0")]
    [InlineData("manifest-listing-v2.0.tsv", "v2.0")]
    public async Task The_recursive_listing_with_digests_has_the_columns_of_the_golden_one(string listing, string? tag)
    {
        string[] golden = await File.ReadAllLinesAsync(TestData.Path("golden-cvmfs/" + listing), TestContext.Current.CancellationToken);

        CliRun run = await CliRun.RunAsync(["ls", "-lR", "--digest", "--json", "/", .. Access, .. tag is null ? Array.Empty<string>() : ["--tag", tag]]);

        Assert.Equal(0, run.Exit);
        string[] expected = [.. golden.Where(l => !l.StartsWith('#')).Select(WithPlainNames).Order(StringComparer.Ordinal)];
        Assert.Equal(expected, run.JsonLines.Select(Columns).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Cat_prints_the_bytes_and_nothing_else()
    {
        CliRun run = await CliRun.RunAsync(["cat", "/README.md", .. Access]);

        Assert.Equal(0, run.Exit);
        Assert.Equal(
            "99475d1bb3d9fe16c7b8022380ec1003cb246a95a1e5e43bfcc446242d990bcb",
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(run.Output))));
    }

    [Fact]
    public async Task Get_copies_a_tree_that_equals_the_listing_and_leaves_nothing_beside_it()
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-test-").FullName;
        try
        {
            string copy = Path.Combine(folder, "links");
            CliRun run = await CliRun.RunAsync(["get", "/links", copy, .. Access, "--json"]);

            Assert.Equal(0, run.Exit);
            Assert.Equal([copy], Directory.GetFileSystemEntries(folder));
            Assert.Equal("../files/small.txt", new FileInfo(Path.Combine(copy, "rel-up")).LinkTarget);

            CliRun again = await CliRun.RunAsync(["get", "/links", copy, .. Access, "--json"]);
            Assert.Equal(0, again.Exit);
            Assert.True(Directory.Exists(Path.Combine(copy, "links")));

            CliRun third = await CliRun.RunAsync(["get", "/links", copy, .. Access, "--json"]);
            Assert.Equal(1, third.Exit);
            Assert.Equal("DestinationExists", third.Json.GetProperty("error").GetProperty("code").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_copy_that_fails_leaves_nothing()
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-test-").FullName;
        try
        {
            // A pipe cannot be copied; by then its neighbours are there.
            CliRun run = await CliRun.RunAsync(["get", "/special", Path.Combine(folder, "special"), .. Access]);

            Assert.Equal(1, run.Exit);
            Assert.Empty(Directory.GetFileSystemEntries(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("ls", "/nope", "PathNotFound", 1)]
    [InlineData("cat", "/bin", "NotAFile", 1)]
    public async Task What_is_not_there_is_exit_1(string command, string path, string code, int exit)
    {
        CliRun run = await CliRun.RunAsync([command, path, .. Access, "--json"]);

        Assert.Equal(exit, run.Exit);
        Assert.Equal(code, run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Another_public_key_trusts_nothing()
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-test-").FullName;
        try
        {
            Assert.Equal(0, (await CliRun.RunAsync("key", "create", "golden.example.org", "--keys", folder)).Exit);

            CliRun run = await CliRun.RunAsync("ls", "/", "--url", Access[1], "--pubkey", Path.Combine(folder, "golden.example.org.pub"), "--json");

            Assert.Equal(1, run.Exit);
            Assert.Equal("NotTrusted", run.Json.GetProperty("error").GetProperty("code").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // The listing escapes names and targets as in URLs, so that a line is a line.
    private static string WithPlainNames(string line)
    {
        const int PathColumn = 0;
        const int TargetColumn = 9;
        string[] columns = line.Split('\t');
        columns[PathColumn] = Uri.UnescapeDataString(columns[PathColumn]);
        columns[TargetColumn] = Uri.UnescapeDataString(columns[TargetColumn]);
        return string.Join('\t', columns);
    }

    private static string Columns(JsonElement line)
    {
        string xattrs = string.Join(',', line.GetProperty("xattrs").EnumerateObject().Select(x => $"{x.Name}={x.Value.GetString()}"));
        return string.Join(
            '\t',
            (string[])
            [
                Text("path"), Text("type"), Text("mode"), Text("uid"), Text("gid"), Text("size"), Text("mtime"), Text("nlink"), Text("sha256"), Text("target"),
                xattrs.Length == 0 ? "-" : xattrs,
            ]);

        string Text(string name) => line.GetProperty(name) is { ValueKind: not JsonValueKind.Null } value ? value.ToString() : "-";
    }
}
