using CvmfsNix.Cluster.FaultTests.Checking;
using CvmfsNix.Cluster.FaultTests.Closures;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.FaultTests.Publishing;
using CvmfsNix.Cluster.Nix.PathInfos;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.BadInput;

/// <summary>A node with a repository that holds one path; every test of a refusal leaves it as it was.</summary>
public sealed class RefusingNode : IAsyncLifetime
{
    internal const string Repository = "refusing.example.org";

    private readonly Scratch _scratch = new("refusing");
    private NodeProcess? _node;

    internal NodeAddresses Addresses => _node!.Addresses;

    internal NodeProcess Process => _node!;

    internal string Data => _scratch["data"];

    internal string PublicKeyFile => Path.Combine(Data, "keys", Repository + ".pub");

    internal CreatedRepository Created { get; private set; } = null!;

    /// <summary>The store the committed path came from.</summary>
    internal SyntheticStore Store { get; private set; } = null!;

    /// <summary>The path that is there.</summary>
    internal PathInfo Committed { get; private set; } = null!;

    /// <summary>A new folder of this fixture.</summary>
    internal string NewFolder(string name) => Directory.CreateDirectory(_scratch[$"{name}-{Guid.NewGuid():N}"]).FullName;

    public async ValueTask InitializeAsync()
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        _node = await NodeProcess.StartAsync(new NodeSettings(Data), cancellationToken);
        Created = await CreatedRepository.CreateAsync(Addresses, Repository, cancellationToken);
        Store = new SyntheticStore(_scratch["store"]);
        Committed = await Store.AddAsync("committed", "as it was first", [], files: 12, fileBytesMax: 4000, cancellationToken);
        Store.Register();
        CliResult published = await new Builder(Repository, Store, new HistoryLog()).PublishAsync(Addresses, PlannedPublish.New(Committed.Path), cancellationToken);
        Assert.True(published.ExitCode == 0, published.Output + published.Errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
        _scratch.Dispose();
    }

    /// <summary>Runs what must be refused, and fails when it changed anything.</summary>
    internal async Task RefusesAsync(Func<Task> attempt, bool objectsMayStay = false)
    {
        ServedState before = ServedState.Read(Data, Repository);
        await attempt();
        before.AssertUnchanged(Data, Repository, objectsMayStay);
    }

    /// <summary>Publishes what must be refused, as a script and as a person would, and fails when it changed anything.</summary>
    internal Task RefusesPublishAsync(Refusal refusal, IReadOnlyList<string> arguments, bool objectsMayStay = false) => RefusesAsync(
        () => refusal.OfAsync(Addresses, ["publish", "--repo", Repository, .. arguments], TestContext.Current.CancellationToken), objectsMayStay);
}

/// <summary>The tests that share one <see cref="RefusingNode"/>.</summary>
[CollectionDefinition(Name)]
public sealed class RefusingNodeTests : ICollectionFixture<RefusingNode>
{
    public const string Name = "one node that refuses";
}
