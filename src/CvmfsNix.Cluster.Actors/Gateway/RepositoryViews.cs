using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Actors.Keeping;
using CvmfsNix.Cluster.Actors.Repositories;
using CvmfsNix.Cluster.Model.Repositories;

namespace CvmfsNix.Cluster.Actors.Gateway;

/// <summary>Repositories as this node knows them, from its own store and from what the leader says. Thread-safe.</summary>
internal sealed class RepositoryViews(CoreQuestions questions, LocalRepositories local, LoadedKeys keys, OpenHere open)
{
    /// <summary>A repository; asks the leader.</summary>
    /// <exception cref="PublishingException">UnknownRepository.</exception>
    public async Task<RepositoryView> GetAsync(string fqrn, CancellationToken ct)
    {
        var repository = local.Require(fqrn);
        var leader = await questions.LeaderStatusAsync(ct).ConfigureAwait(false);
        return View(repository, leader?.Writers.FirstOrDefault(w => w.Repository.Value == fqrn));
    }

    /// <summary>What somebody has to mend before the repository takes anything; null when there is no such thing.</summary>
    public async Task<PublishingException?> ObstacleAsync(string fqrn, CancellationToken ct) => (await GetAsync(fqrn, ct).ConfigureAwait(false)).Obstacle;

    /// <summary>All repositories, by name.</summary>
    /// <param name="leader">What the leader said; null = nothing.</param>
    public IReadOnlyList<RepositoryView> Views(RepositoryProtocol.LeaderStatus? leader) =>
        [.. local.All
            .OrderBy(r => r.Definition.Repository.Value, StringComparer.Ordinal)
            .Select(r => View(r, leader?.Writers.FirstOrDefault(w => w.Repository == r.Definition.Repository)))];

    /// <summary>A repository.</summary>
    /// <param name="repository">On this node.</param>
    /// <param name="writer">What its writer said; null = nothing.</param>
    public RepositoryView View(LocalRepository repository, RepositoryProtocol.WriterStatus? writer)
    {
        var definition = repository.Definition;
        var fqrn = definition.Repository.Value;
        var usage = (repository.Backend as StoreBackend)?.Store.Usage;
        var own = keys.TryLoad(fqrn);
        return new RepositoryView
        {
            Repository = fqrn,
            Revision = Math.Max(writer?.Revision ?? 0, repository.Revision),
            // Never the root hash of another revision: a writer that is being started, or was superseded, is behind this node.
            RootHash = writer is not null && writer.Revision >= repository.Revision ? writer.RootHash : "",
            PublishedAt = writer?.PublishedAt ?? DateTimeOffset.UnixEpoch,
            Paths = writer?.Paths ?? 0,
            Objects = usage?.Objects ?? 0,
            StoredBytes = usage?.StoredBytes ?? 0,
            WhitelistExpiresAt = writer?.WhitelistExpiresAt ?? DateTimeOffset.UnixEpoch,
            PublicKeyFile = keys.Folder.PublicKeyFile(fqrn),
            PublicKeyPem = own?.Cvmfs.MasterPublicKeyPem ?? "",
            NixPublicKey = own?.Nix.PublicKey.ToString() ?? "",
            StoreDirectory = definition.StoreDirectory.Value,
            HashAlgorithm = HashNames.Of(definition.HashAlgorithm),
            NixDatabase = definition.NixDatabase,
            Queued = writer?.Queued ?? 0,
            InFlight = writer?.InFlight ?? 0,
            OpenTransactions = open.Count(fqrn),
            ProblemCode = writer is { ProblemCode.Length: > 0 } ? writer.ProblemCode : null,
            Warning = writer is { Warning.Length: > 0 } ? writer.Warning : null,
            Problem = writer is null ? "The leader does not answer." : writer.Problem.Length > 0 ? writer.Problem : repository.Problem,
        };
    }
}
