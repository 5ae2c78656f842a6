using CvmfsNix.Cluster.Node.BinaryCache;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Archives;
using CvmfsNix.Cluster.Store.Ingest;
using CvmfsNix.Cluster.TestKit.Store;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.BinaryCache;

public sealed class NarUploadsTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_archive_whose_narinfo_never_comes_goes_with_all_it_wrote()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Token);
        var clock = new Clock();
        await using var uploads = new NarUploads(new GatewayLimits(), clock);
        await uploads.AddAsync("r", "a", await ReceivedAsync(repository, "a"));
        Assert.NotEmpty(Scratch(repository));

        clock.Now += TimeSpan.FromMinutes(59);
        Assert.Equal(0, await uploads.ExpireAsync());
        clock.Now += TimeSpan.FromMinutes(2);
        using (NarUse used = uploads.Use("r", "a")!)
            Assert.Equal(0, await uploads.ExpireAsync());
        clock.Now += TimeSpan.FromMinutes(61);
        Assert.Equal(1, await uploads.ExpireAsync());

        Assert.Null(uploads.Use("r", "a"));
        Assert.Empty(Scratch(repository));
    }

    [Fact]
    public async Task What_waits_is_bounded_and_the_oldest_makes_room()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Token);
        var clock = new Clock();
        await using var uploads = new NarUploads(new GatewayLimits { NarBytesMax = 1000 }, clock);
        await uploads.ReserveAsync(5000);
        await uploads.AddAsync("r", "a", await ReceivedAsync(repository, "a"));

        NodeException refused = await Assert.ThrowsAsync<NodeException>(() => uploads.ReserveAsync(5000));
        Assert.Equal(NodeCodes.Overloaded, refused.Error.Code);
        Assert.NotNull(refused.Error.RetryAfter);
        clock.Now += TimeSpan.FromMinutes(3);
        await uploads.ReserveAsync(5000);
        Assert.Equal(0, uploads.Count);
    }

    [Fact]
    public async Task Of_two_with_one_name_the_second_leaves_nothing()
    {
        await using TestRepository repository = await TestRepository.CreateAsync(Token);
        await using (var uploads = new NarUploads(new GatewayLimits(), TimeProvider.System))
        {
            await uploads.AddAsync("r", "a", await ReceivedAsync(repository, "a"));
            int files = Scratch(repository).Length;
            await uploads.AddAsync("r", "a", await ReceivedAsync(repository, "a"));
            Assert.Equal(files, Scratch(repository).Length);
        }

        Assert.Empty(Scratch(repository));
    }

    private static string[] Scratch(TestRepository repository) => Directory.GetFiles(Path.Combine(repository.RepositoryFolder, "data", "txn"));

    private static async Task<UploadedNar> ReceivedAsync(TestRepository repository, string name)
    {
        var content = new byte[3000];
        new Random(1).NextBytes(content);
        NarText nar = NarText.Of(name, content);
        using var intake = new ArchiveIntake(new IngestOptions());
        return new UploadedNar(await intake.ReceiveAsync(repository.Store, new MemoryStream(nar.File), Token), nar.Info.FileHash!.Value, nar.File.Length);
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
