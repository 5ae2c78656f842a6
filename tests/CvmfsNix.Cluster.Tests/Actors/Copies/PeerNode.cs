using System.Net;
using CvmfsNix.Cluster.Actors.Copies;
using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Journal;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Copies;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Repositories;
using CvmfsNix.Cluster.Node.Data;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Node.Peers;
using CvmfsNix.Cluster.Store.Collection;
using CvmfsNix.Cluster.Store.Keys;
using CvmfsNix.Cluster.Store.Layout;
using CvmfsNix.Cluster.Store.Repositories;
using CvmfsNix.Cluster.TestKit.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Actors.Copies;

/// <summary>A store that its peers reach over real HTTP, without an actor system.</summary>
internal sealed class PeerNode : IAsyncDisposable, IStoreSurface
{
    private static readonly PeerCredential SharedCredential = new("a token that all nodes share");

    private readonly RepositoryStore _store;
    private readonly string? _ownFolder;
    private WebApplication? _web;
    private bool _ownsStore;

    private PeerNode(RepositoryStore store, string id, string? ownFolder)
    {
        _store = store;
        _ownFolder = ownFolder;
        Set = new StoreSet(id);
        Peers = new PeerClient(SharedCredential);
    }

    public static RepositoryDefinition Definition { get; } = new(
        RepositoryId.Parse(TestRepository.Name), TestRepository.FormatOf().StoreDirectory, TestRepository.FormatOf().HashAlgorithm, 240, 8, TestRepository.FormatOf().Certificate);

    public StoreSet Set { get; }

    public PeerClient Peers { get; }

    public RepositoryStore Store => _store;

    /// <summary>Called before every answer; a test breaks or holds the node with it.</summary>
    public Func<HttpContext, Task> Before { get; set; } = _ => Task.CompletedTask;

    public string? Url { get; private set; }

    public PeerCredential Credential => SharedCredential;

    public PeerStores Stores { get; private set; } = null!;

    public LocalRepository Local { get; private set; } = null!;

    public StoreBackend Backend => (StoreBackend)Local.Backend;

    /// <summary>Collects as the node does by the clock.</summary>
    public async Task<CollectionResult> CollectAsync(IJournalReader journal, TimeSpan grace)
    {
        using ObjectCollection collection = Collection(journal);
        return await new ObjectCollector(_store, grace, share: 1, TimeProvider.System).RunAsync(ct => collection.RootsAsync(Local, Backend, ct), TestContext.Current.CancellationToken);
    }

    /// <summary>What the node takes for needed.</summary>
    public async Task<CollectionRoots> RootsAsync(IJournalReader journal)
    {
        using ObjectCollection collection = Collection(journal);
        return await collection.RootsAsync(Local, Backend, TestContext.Current.CancellationToken);
    }

    public StoreMember Member(string site = "default") => new(Set.OwnId, "akka.tcp://cvmfsnix@" + Set.OwnId, Url!, site);

    /// <summary>A node with a store of its own, empty.</summary>
    public static async Task<PeerNode> EmptyAsync(string id, IJournalReader? journal = null)
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-peer-").FullName;
        var node = new PeerNode(await RepositoryStore.OpenAsync(new StoreLayout(folder), TestRepository.FormatOf(), TestContext.Current.CancellationToken), id, folder);
        await node.StartAsync(folder, journal);
        return node;
    }

    /// <summary>A node with a store in a folder that is the caller's.</summary>
    public static async Task<PeerNode> InAsync(string folder, string id, IJournalReader journal)
    {
        var node = new PeerNode(await RepositoryStore.OpenAsync(new StoreLayout(folder), TestRepository.FormatOf(), TestContext.Current.CancellationToken), id, null) { _ownsStore = true };
        await node.StartAsync(folder, journal);
        return node;
    }

    /// <summary>A node that serves a test repository's store.</summary>
    public static async Task<PeerNode> OfAsync(TestRepository repository, string id, IJournalReader? journal = null)
    {
        var node = new PeerNode(repository.Store, id, null);
        await node.StartAsync(repository.DataFolder, journal);
        return node;
    }

    /// <summary>Lets all nodes see each other.</summary>
    public static void Connect(params PeerNode[] nodes)
    {
        foreach (PeerNode node in nodes)
            node.Set.Replace([.. nodes.Select(n => n.Member())]);
    }

    public StoreCopies Copies(int copies) => new(new CopyRules(copies), Set, Peers, severalNodes: true, TimeProvider.System);

    public async ValueTask DisposeAsync()
    {
        if (_web is not null)
            await _web.DisposeAsync();
        Peers.Dispose();
        if (_ownsStore || _ownFolder is not null)
            await _store.DisposeAsync();
        if (_ownFolder is not null)
            Directory.Delete(_ownFolder, recursive: true);
    }

    private async Task StartAsync(string folder, IJournalReader? journal)
    {
        var layout = new StoreLayout(folder);
        var options = new CoreOptions { DataDirectory = folder, KeysDirectory = folder, Journal = new JournalOptions.Sqlite("unused") };
        var backend = new StoreBackend(Definition, _store, layout, new KeyFolder(folder), Copies(2), new SemaphoreSlim(1, 1));
        var local = new LocalRepositories(new OneBackend(backend));
        Local = await local.OpenAsync(Definition, journal ?? new FakeJournal(), TestContext.Current.CancellationToken);
        var endpoint = new PeerEndpoint(
            Stores = new PeerStores(local, Copies(2), options, new CoreSystem(), TimeProvider.System), this, new DiskHeadroom(folder, new GatewayLimits()), NullLogger<PeerEndpoint>.Instance);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _web = builder.Build();
        _web.Run(async context =>
        {
            await Before(context);
            await endpoint.ServeAsync(context, DataPath.Parse(context.Request.Path.Value ?? ""));
        });
        await _web.StartAsync(TestContext.Current.CancellationToken);
        Url = _web.Urls.Single();
    }

    private ObjectCollection Collection(IJournalReader journal) => new(
        new LocalRepositories(new OneBackend(Backend)),
        journal,
        new CoreOptions { DataDirectory = "unused", KeysDirectory = "unused", Journal = new JournalOptions.Sqlite("unused") },
        TimeProvider.System,
        NullLogger<ObjectCollection>.Instance);

    private sealed class OneBackend(StoreBackend backend) : IRepositoryBackends
    {
        public Task<IRepositoryBackend> OpenAsync(RepositoryDefinition definition, CancellationToken ct) => Task.FromResult<IRepositoryBackend>(backend);

        public Task<RepositoryDefinition> DefineAsync(RepositoryProtocol.RepositoryDefinitionRequest request, DateTimeOffset now, CancellationToken ct) => throw new NotSupportedException();
    }
}

/// <summary>A history that is a list.</summary>
internal sealed class FakeJournal : IJournalReader
{
    public List<IRepositoryEvent> Events { get; } = [];

    /// <summary>The history of a test repository.</summary>
    public static FakeJournal Of(TestRepository repository)
    {
        var journal = new FakeJournal();
        journal.Append(repository);
        return journal;
    }

    /// <summary>Adds what the repository has beyond this.</summary>
    public void Append(TestRepository repository)
    {
        foreach (var revision in repository.Revisions.Skip(Events.Count).Select(StoreBackend.FromStore))
        {
            Events.Add(Events.Count == 0
                ? new RepositoryCreated(PeerNode.Definition, repository.Whitelist, repository.Now.AddDays(30), revision, repository.Now)
                : new RevisionCommitted(revision, [], [], repository.Now));
        }
    }

#pragma warning disable CS1998 // The interface is asynchronous, a list is not.
    public async IAsyncEnumerable<(long SequenceNumber, object Event)> ReadAsync(string persistenceId, long from, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
#pragma warning restore CS1998
    {
        for (int i = (int)from - 1; i < Events.Count; i++)
            yield return (i + 1, Events[i]);
    }
}
