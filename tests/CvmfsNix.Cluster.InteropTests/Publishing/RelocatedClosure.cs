using System.Text.Json;
using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Publishing;

/// <summary>
/// A node and a repository that holds, published once for all tests of a class, a closure of 201 paths and the path of odd things, from a store
/// below the repository's own mount point.
/// </summary>
public sealed class RelocatedClosure : IAsyncLifetime
{
    private const string MountFolder = "/cvmfs";

    private readonly string _repositoryName = $"interop-{Guid.NewGuid():N}.example.org";
    private EmbeddedNode? _node;
    private NixSandbox? _nix;
    private PublishedRepository? _repository;
    private bool _madeMountFolder;

    /// <summary>Null where the closure was published, else why that cannot be done here.</summary>
    public string? Missing { get; private set; }

    internal EmbeddedNode Node => _node!;

    internal NixSandbox Nix => _nix!;

    internal PublishedRepository Repository => _repository!;

    /// <summary>The environment that refers to 200 packages.</summary>
    internal StorePathName Root { get; private set; }

    internal StorePathName Odd { get; private set; }

    /// <summary>What publishing the closure, then the odd path, answered.</summary>
    internal JsonElement[] Answers { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        Missing = NixSandbox.Missing;
        if (Missing is not null)
            return;
        try
        {
            _madeMountFolder = !Directory.Exists(MountFolder);
            _nix = NixSandbox.At($"{MountFolder}/{_repositoryName}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Missing = $"a folder below {MountFolder} cannot be made (root can, where no CernVM-FS client is mounted there): {e.Message}";
            return;
        }

        Root = await Nix.BuildAsync("synth.nix", "--arg", "n", "200", "--argstr", "seed", "published");
        Odd = await Nix.BuildAsync("odd.nix");
        _node = await EmbeddedNode.StartAsync(TestContext.Current.CancellationToken);
        _repository = await PublishedRepository.CreateAsync(Node, Nix, _repositoryName, "--store-directory", Nix.StoreDirectory.Value);
        Answers = [await Repository.PublishAsync(Nix.StoreDirectory.FullPath(Root)), await Repository.PublishAsync(Nix.StoreDirectory.FullPath(Odd))];
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
        _nix?.Dispose();
        if (_madeMountFolder && Directory.Exists(MountFolder) && !Directory.EnumerateFileSystemEntries(MountFolder).Any())
            Directory.Delete(MountFolder);
    }
}
