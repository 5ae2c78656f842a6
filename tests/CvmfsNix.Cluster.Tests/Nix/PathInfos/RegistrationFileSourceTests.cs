using CsCheck;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Nix.PathInfos;

public sealed class RegistrationFileSourceTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_closure_is_everything_reachable_references_first_and_else_ordinal()
    {
        RegistrationFileSource source = await SourceAsync((1, [1, 5, 9]), (5, [9]), (9, []), (3, [9]), (7, []), (2, [7, 3]));
        Assert.Equal(Names(9, 5, 1), await PathsAsync(source, closure: true, 1));
        Assert.Equal(Names(7, 9, 3, 2, 5, 1), await PathsAsync(source, closure: true, 2, 1, 2));
        Assert.Equal(Names(1, 3), await PathsAsync(source, closure: false, 3, 1));
        Assert.Equal(Names(9, 1), await PathsAsync(source, closure: false, 1, 9));
        Assert.Empty(await PathsAsync(source, closure: true));
        Assert.Equal(Names(1, 2, 3, 5, 7, 9), source.Paths);
    }

    [Fact]
    public async Task A_reference_that_is_not_registered_is_an_error_that_names_both_paths()
    {
        RegistrationFileSource source = await SourceAsync((1, [2]), (3, []));
        PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => PathsAsync(source, closure: true, 1));
        Assert.Contains("/nix/store/" + PathInfoGen.Numbered(1), e.Message, StringComparison.Ordinal);
        Assert.Contains("/nix/store/" + PathInfoGen.Numbered(2), e.Message, StringComparison.Ordinal);
        Assert.Equal(Names(1), await PathsAsync(source, closure: false, 1));
        await Assert.ThrowsAsync<PathInfoSourceException>(() => PathsAsync(source, closure: false, 4));
    }

    [Fact]
    public async Task References_in_a_circle_are_an_error()
    {
        RegistrationFileSource source = await SourceAsync((1, [2]), (2, [3]), (3, [1]));
        PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => PathsAsync(source, closure: true, 1));
        Assert.Contains("circle", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_may_come_twice_only_with_the_same_facts()
    {
        Assert.Equal(Names(1), (await SourceAsync((1, []), (1, []))).Paths);
        await Assert.ThrowsAsync<PathInfoSourceException>(() => SourceAsync((1, []), (1, [1])));
    }

    [Fact]
    public async Task A_file_that_is_missing_or_damaged_is_named()
    {
        string missing = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => RegistrationFileSource.LoadAsync(missing, StoreDirectory.Default, Token));
        Assert.Contains(missing, e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<PathInfoSourceException>(() => RegistrationFileSource.ReadAsync(new MemoryStream("junk\n"u8.ToArray()), "the file", StoreDirectory.Default, Token));
        Assert.Contains("the file: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("line 1", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_acyclic_graph_is_ordered_references_first_whatever_order_it_comes_in() =>
        Gen.Select(Gen.Int[0, 200].Array[0, 5].Array[1, 40], Gen.Int[0, 1000]).Sample((graph, seed) =>
        {
            PathInfo[] infos = [.. graph.Select((to, i) => Info(i, [.. to.Select(t => t % (i + 1)).Distinct()]))];
            IReadOnlyList<PathInfo> sorted = ReferenceOrder.Sort(infos);
            HashSet<StorePathName> seen = [];
            foreach (PathInfo info in sorted)
            {
                Assert.All(info.References, reference => Assert.True(reference == info.Path || seen.Contains(reference)));
                Assert.True(seen.Add(info.Path));
            }

            Assert.Equal(infos.Length, sorted.Count);
            new Random(seed).Shuffle(infos);
            Assert.Equal(sorted, ReferenceOrder.Sort(infos));
        });

    [Fact]
    public async Task A_machine_without_nix_is_told_what_to_do()
    {
        LocalNixStore store = new(StoreDirectory.Default, program: "/nonexistent/nix-store");
        PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => store.QueryAsync(Names(1), closure: true, Token));
        Assert.Contains("Install Nix", e.Message, StringComparison.Ordinal);
        Assert.Empty(await store.QueryAsync([], closure: true, Token));
    }

    [Fact]
    public async Task A_program_that_prints_something_else_or_nothing_is_reported()
    {
        await Assert.ThrowsAsync<PathInfoSourceException>(() => new LocalNixStore(StoreDirectory.Default, program: "echo").QueryAsync(Names(1), closure: false, Token));
        await Assert.ThrowsAsync<PathInfoSourceException>(() => new LocalNixStore(StoreDirectory.Default, program: "true").QueryAsync(Names(1), closure: false, Token));
        PathInfoSourceException e = await Assert.ThrowsAsync<PathInfoSourceException>(() => new LocalNixStore(StoreDirectory.Default, program: "false").QueryAsync(Names(1), closure: true, Token));
        Assert.Contains("exit status 1", e.Message, StringComparison.Ordinal);
    }

    private static PathInfo Info(int number, int[] references) => new()
    {
        Path = PathInfoGen.Numbered(number),
        NarHash = default,
        NarSize = 120,
        References = [.. Names(references).Order()],
    };

    private static StorePathName[] Names(params int[] numbers) => [.. numbers.Select(PathInfoGen.Numbered)];

    private static async Task<RegistrationFileSource> SourceAsync(params (int Number, int[] References)[] paths)
    {
        StringWriter text = new();
        Registration.Write(text, StoreDirectory.Default, paths.Select(path => Info(path.Number, path.References)));
        return await RegistrationFileSource.ReadAsync(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(text.ToString())), "test", StoreDirectory.Default, Token);
    }

    private static async Task<IEnumerable<StorePathName>> PathsAsync(RegistrationFileSource source, bool closure, params int[] roots) =>
        (await source.QueryAsync(Names(roots), closure, Token)).Select(info => info.Path);
}
