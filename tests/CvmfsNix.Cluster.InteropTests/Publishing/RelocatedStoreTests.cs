using System.Text;
using System.Text.Json;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Publishing;

/// <summary>
/// What real Nix built for <c>/cvmfs/FQRN/store</c>, published by the built programs, is served at <c>/store</c> of the repository as Nix knows it.
/// </summary>
public sealed class RelocatedStoreTests(RelocatedClosure closure) : IClassFixture<RelocatedClosure>
{
    private static readonly RepositoryPath StoreRoot = RepositoryPath.Parse("/store");
    private static readonly RepositoryPath Profiles = RepositoryPath.Parse("/var/nix/profiles");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private PublishedRepository Repository
    {
        get
        {
            Assert.SkipUnless(closure.Missing is null, closure.Missing ?? "");
            return closure.Repository;
        }
    }

    private NixSandbox Nix => closure.Nix;

    [Fact]
    public async Task Every_path_of_the_closure_has_the_archive_nix_registered()
    {
        PublishedRepository repository = Repository;
        JsonElement answer = closure.Answers[0];
        StorePathName[] paths = await StoreOnDisk.ClosureAsync(Nix, closure.Root);
        Assert.Equal(201, paths.Length);
        Assert.Equal("committed", answer.GetProperty("status").GetString());
        Assert.Equal((201, 0), (answer.GetProperty("pathsNew").GetInt32(), answer.GetProperty("pathsPresent").GetInt32()));

        await using RepositoryReader reader = await repository.OpenAsync();
        HashSet<string> listed = [];
        await foreach (CatalogEntry entry in reader.ListAsync(StoreRoot, includeHidden: false, Token))
            Assert.True(listed.Add(Encoding.UTF8.GetString(entry.Path.Name.Span)));
        // Tests of this class publish further paths into the same repository, in any order.
        Assert.Superset(paths.Append(closure.Odd).Select(static path => path.Value).ToHashSet(), listed);
        foreach ((StorePathName path, (NarHash Hash, long Size) registered) in await StoreOnDisk.RegisteredAsync(Nix, paths))
            Assert.Equal((path, registered), (path, await PublishedRepository.NarOfAsync(reader, StoreRoot.Combine(path.Value))));
    }

    [Fact]
    public async Task A_path_of_odd_things_has_the_archive_nix_registered_and_its_large_file_is_chunked()
    {
        PublishedRepository repository = Repository;
        RepositoryPath odd = StoreRoot.Combine(closure.Odd.Value);
        await using RepositoryReader reader = await repository.OpenAsync();
        Assert.Equal((await StoreOnDisk.RegisteredAsync(Nix, [closure.Odd]))[closure.Odd], await PublishedRepository.NarOfAsync(reader, odd));

        CatalogEntry large = (await reader.FindAsync(odd.Combine("big").Combine("mixed"), Token))!;
        Assert.True(large.Size > 64 << 20);
        Assert.True(large.Chunks.Count > 1);
        Assert.NotNull(await reader.FindAsync(odd.Combine("names").Combine([.. "not-utf8-"u8, 0xff, 0x80]), Token));
    }

    [Fact]
    public async Task Publishing_again_asks_once_and_changes_nothing()
    {
        PublishedRepository repository = Repository;
        await using RepositoryReader before = await repository.OpenAsync();
        JsonElement answer = default;
        IReadOnlyList<string> requests = await closure.Node.RequestsDuringAsync(
            async () => answer = await repository.PublishAsync(Nix.StoreDirectory.FullPath(closure.Root)), Token);

        Assert.Equal("unchanged", answer.GetProperty("status").GetString());
        Assert.Equal((before.Revision, before.RootHash.ToString()), (answer.GetProperty("revision").GetUInt64(), answer.GetProperty("rootHash").GetString()));
        Assert.Equal((0, 201), (answer.GetProperty("pathsNew").GetInt32(), answer.GetProperty("pathsPresent").GetInt32()));
        Assert.Equal((0, 0L, 0L), (answer.GetProperty("objectsSent").GetInt32(), answer.GetProperty("bytesSent").GetInt64(), answer.GetProperty("bytesRead").GetInt64()));
        Assert.StartsWith("POST ", Assert.Single(requests), StringComparison.Ordinal);
        await using RepositoryReader after = await repository.OpenAsync();
        Assert.Equal((before.Revision, before.RootHash), (after.Revision, after.RootHash));
    }

    [Fact]
    public async Task The_served_folder_passes_the_rules_of_the_stock_checker()
    {
        Assert.True((await Repository.VerifyAsync()).GetProperty("narPathsChecked").GetInt32() > 200);
        CatalogAudit audit = CatalogAudit.Run(closure.Node.RepositoryFolder(Repository.Name));
        Assert.Empty(audit.Findings);
        Assert.True(audit.Catalogs > 2);
        Assert.True(audit.Entries > 201 * 10);
    }

    [Fact]
    public async Task Getting_a_path_makes_a_tree_equal_to_the_one_nix_built()
    {
        PublishedRepository repository = Repository;
        foreach (StorePathName path in (StorePathName[])[closure.Odd, closure.Root])
        {
            using NixSandbox scratch = new();
            string copy = scratch.StoreDirectory.Value;
            (await closure.Node.CliAsync(["get", $"/store/{path.Value}", copy, "--repo", repository.Name], null, Token)).Succeeded();
            (await ProgramRun.RunAsync("diff", ["-r", "--no-dereference", Nix.DiskPath(path), copy], null, Token)).Succeeded();
            Assert.Equal((await StoreOnDisk.RegisteredAsync(Nix, [path]))[path], await NarFromDisk.HashAsync(copy, Token));
        }
    }

    [Fact]
    public async Task A_recursive_listing_with_digests_tells_what_find_and_sha256sum_tell_of_the_store()
    {
        PublishedRepository repository = Repository;
        foreach (StorePathName path in (StorePathName[])[closure.Odd, closure.Root])
        {
            byte[] prefix = Encoding.ASCII.GetBytes($"/store/{path.Value}");
            ProgramRun run = await closure.Node.CliAsync(["ls", "-lR", "--json", "--digest", $"/store/{path.Value}", "--repo", repository.Name], null, Token);
            List<string> listed = [.. run.JsonLines.Select(entry =>
            {
                byte[] name = entry.TryGetProperty("pathBase64", out JsonElement raw) ? raw.GetBytesFromBase64() : Encoding.UTF8.GetBytes(entry.GetProperty("path").GetString()!);
                Assert.True(name.AsSpan().StartsWith(prefix));
                string type = entry.GetProperty("type").GetString()!;
                string content = type switch
                {
                    "f" => entry.GetProperty("sha256").GetString()!,
                    "l" => entry.TryGetProperty("targetBase64", out JsonElement target) ? target.GetString()! : Convert.ToBase64String(Encoding.UTF8.GetBytes(entry.GetProperty("target").GetString()!)),
                    _ => "",
                };
                return StoreOnDisk.Line(
                    Convert.ToBase64String(name.AsSpan(Math.Min(prefix.Length + 1, name.Length))),
                    type,
                    entry.GetProperty("mode").GetString()!,
                    entry.GetProperty("mtime").ToString(),
                    $"{entry.GetProperty("uid")}:{entry.GetProperty("gid")}",
                    entry.GetProperty("size").ToString(),
                    content);
            })];
            listed.Sort(StringComparer.Ordinal);
            Assert.Equal(await StoreOnDisk.ListAsync(Nix.DiskPath(path), Token), listed);
        }
    }

    [Fact]
    public async Task A_link_to_a_path_is_published_and_a_profile_gets_a_generation_per_target()
    {
        PublishedRepository repository = Repository;
        string link = Nix.StoreDirectory.Value + "-result";
        await Nix.RunAsync("nix-store", "--realise", Nix.StoreDirectory.FullPath(closure.Root), "--add-root", link);

        JsonElement first = await repository.PublishAsync(link, "--profile", "desktop");
        Assert.Equal(("committed", 0), (first.GetProperty("status").GetString(), first.GetProperty("pathsNew").GetInt32()));
        await AssertProfileAsync("desktop", "desktop-1-link", closure.Root);

        JsonElement again = await repository.PublishAsync(link, "--profile", "desktop");
        Assert.Equal(("unchanged", first.GetProperty("revision").GetUInt64()), (again.GetProperty("status").GetString(), again.GetProperty("revision").GetUInt64()));
        await AssertProfileAsync("desktop", "desktop-1-link", closure.Root);

        JsonElement other = await repository.PublishAsync(Nix.StoreDirectory.FullPath(closure.Odd), "--profile", "desktop");
        Assert.Equal("committed", other.GetProperty("status").GetString());
        await AssertProfileAsync("desktop", "desktop-2-link", closure.Odd);
        await using RepositoryReader reader = await repository.OpenAsync();
        Assert.Equal(Nix.StoreDirectory.FullPath(closure.Root), await TargetAsync(reader, "desktop-1-link"));
        Assert.Null(await reader.FindAsync(Profiles.Combine("desktop-3-link"), Token));
        Assert.Empty(CatalogAudit.Run(closure.Node.RepositoryFolder(repository.Name)).Findings);
    }

    [Fact]
    public async Task Without_the_nix_command_a_path_is_published_and_what_is_lost_is_said()
    {
        PublishedRepository repository = Repository;
        string file = Nix.StoreDirectory.Value + "-plain", bin = Directory.CreateDirectory(Nix.StoreDirectory.Value + "-bin").FullName;
        await File.WriteAllTextAsync(file, "a file of its own\n", Token);
        string path = Assert.Single(await Nix.LinesAsync("nix-store", "--add", file));
        string[] folders = Environment.GetEnvironmentVariable("PATH")!.Split(':');
        File.CreateSymbolicLink(Path.Combine(bin, "nix-store"), folders.Select(static folder => Path.Combine(folder, "nix-store")).First(File.Exists));

        var environment = new Dictionary<string, string>(Nix.Environment) { ["PATH"] = bin };
        ProgramRun run = await closure.Node.CliAsync(["publish", "--repo", repository.Name, "--json", path], environment, Token);
        Assert.Equal("committed", run.Json.GetProperty("status").GetString());
        Assert.Contains("warning: signatures and content addresses", run.Errors, StringComparison.Ordinal);
    }

    private async Task AssertProfileAsync(string profile, string generation, StorePathName target)
    {
        await using RepositoryReader reader = await Repository.OpenAsync();
        Assert.Equal(generation, await TargetAsync(reader, profile));
        Assert.Equal(Nix.StoreDirectory.FullPath(target), await TargetAsync(reader, generation));
    }

    private static async Task<string> TargetAsync(RepositoryReader reader, string name)
    {
        CatalogEntry? link = await reader.FindAsync(Profiles.Combine(name), Token);
        Assert.NotNull(link);
        return Encoding.UTF8.GetString(link.SymlinkTarget.Span);
    }
}
