using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Contracts.Publishing;

namespace CvmfsNix.Cluster.Cli.Repositories;

/// <summary>What a node says of a repository, and its JSON shape.</summary>
internal static class RepositoryQuery
{
    public static Task<RepositoryInfo> GetAsync(ControlPlane control, string repository, CancellationToken cancellationToken) =>
        control.AskAsync(
            (client, options) => client.GetRepositoryAsync(new GetRepositoryRequest { Repository = repository }, options), cancellationToken);

    public static RepositoryJson ToJson(RepositoryInfo info) => new(
        info.Repository,
        info.Revision,
        info.RootHash,
        Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(info.PublishedAt)),
        info.Paths,
        info.Objects,
        info.StoredBytes,
        Terminal.Time(DateTimeOffset.FromUnixTimeSeconds(info.WhitelistExpiresAt)),
        info.PublicKeyFile,
        info.PublicKey,
        info.NixPublicKey,
        info.StoreDirectory,
        info.HashAlgorithm,
        info.DataUrl,
        info.NixDatabase);
}
