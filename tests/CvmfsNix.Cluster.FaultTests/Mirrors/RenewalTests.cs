using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.FaultTests.BadInput;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Mirrors;

/// <summary>What changes without a commit reaches mirrors too: a whitelist that is renewed, a tag that is set.</summary>
public sealed class RenewalTests
{
    private const string Fqrn = "renewal.example.org";
    private const int Mirrors = 2;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_renewed_whitelist_and_a_tag_set_later_are_served_by_every_mirror()
    {
        Assert.SkipUnless(BuiltPrograms.FullSize, "at full size only: in the short run a node in the tests' process shows it");
        using var scratch = new Scratch("renewal");
        ShiftedClock clock = await ShiftedClock.CompileAsync(scratch.Folder, Ct);
        await using NodeProcess core = await NodeProcess.StartAsync(new NodeSettings(scratch["core"]) { Environment = clock.Environment }, Ct);
        CreatedRepository repository = await CreatedRepository.CreateAsync(core.Addresses, Fqrn, Ct);
        var mirrors = new List<NodeProcess>();
        try
        {
            for (int i = 1; i <= Mirrors; i++)
            {
                mirrors.Add(await NodeProcess.StartAsync(
                    new NodeSettings(scratch[$"m{i}"]) { Environment = clock.Environment, Switches = ["--roles", "stratum1", "--core", core.Addresses.Grpc, "--replica-id", $"m{i}"] }, Ct));
            }

            RepositoryReader[] before = await ReadAsync(mirrors, repository, Ct);
            Assert.Single(before.Select(r => r.Whitelist.ExpiresAt).Distinct());

            CliResult tagged = await CliProcess.RunAsync(core.Addresses, ["tag", "set", "v1", "--repo", Fqrn], Ct);
            Assert.True(tagged.ExitCode == 0, tagged.Errors);
            await EventuallyAsync(mirrors, repository, async r => (await r.TagsAsync(Ct)).Any(t => t.Name == "v1"), "the tag is on every mirror");

            // More than half of a whitelist's time is over.
            clock.Shift(TimeSpan.FromDays(20));
            await EventuallyAsync(mirrors, repository, r => Task.FromResult(r.Whitelist.ExpiresAt > before[0].Whitelist.ExpiresAt), "the whitelist of every mirror is a new one");

            RepositoryReader[] after = await ReadAsync(mirrors, repository, Ct);
            Assert.All(after, r => Assert.Equal(before[0].Revision, r.Revision));
            Assert.All(after, r => Assert.Equal(before[0].RootHash, r.RootHash));
            foreach (RepositoryReader reader in (RepositoryReader[])[.. before, .. after])
                await reader.DisposeAsync();
        }
        finally
        {
            foreach (NodeProcess mirror in mirrors)
                await mirror.DisposeAsync();
        }
    }

    private static async Task<RepositoryReader[]> ReadAsync(IEnumerable<NodeProcess> mirrors, CreatedRepository repository, CancellationToken cancellationToken)
    {
        var readers = new List<RepositoryReader>();
        foreach (NodeProcess mirror in mirrors)
        {
            readers.Add(await RepositoryReader.OpenAsync(
                new HttpSource(new Uri($"{mirror.Addresses.Http}/cvmfs/{Fqrn}/")), [repository.PublicKey], new RepositoryReaderOptions { ExpectedName = Fqrn }, cancellationToken));
        }

        return [.. readers];
    }

    private static Task EventuallyAsync(IReadOnlyList<NodeProcess> mirrors, CreatedRepository repository, Func<RepositoryReader, Task<bool>> condition, string what) => Deadline.UntilAsync(
        async () =>
        {
            bool all = true;
            foreach (RepositoryReader reader in await ReadAsync(mirrors, repository, Ct))
            {
                all &= await condition(reader);
                await reader.DisposeAsync();
            }

            return all;
        },
        what,
        Ct);
}
