using CvmfsNix.Cluster.Cli.Control;
using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Cli.Repositories;
using CvmfsNix.Cluster.Contracts.Publishing;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using CvmfsNix.Cluster.Cvmfs.Reading;
using CvmfsNix.Cluster.Nix.Files;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Store.Layout;

namespace CvmfsNix.Cluster.Cli.Publishing;

/// <summary>
/// Adds to a refused path how its content differs from the committed one. The node knows hashes and sizes only; the trees lie here and
/// on its data port. A help for people: where it cannot be found out, the refusal stands as it is.
/// </summary>
internal static class ConflictReport
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(20);

    /// <summary>The same refusal, with what this side has and the first difference.</summary>
    public static async Task<CliException> ExplainAsync(
        ControlPlane control, StoreView view, string repository, IReadOnlyList<PathInfo> infos, CliException refusal, CancellationToken cancellationToken)
    {
        if (infos.FirstOrDefault(i => refusal.What == i.Path.Value || refusal.What == view.Directory.FullPath(i.Path)) is not { } info)
            return refusal;
        string ours = $" The path here has NAR hash {info.NarHash} and {info.NarSize} bytes.";
        string? difference = await DifferenceAsync(control, view, repository, info, cancellationToken);
        return new CliException(
            refusal.Code,
            $"{refusal.Message}{ours}{(difference is null ? "" : $" First difference: {difference}.")}",
            view.Directory.FullPath(info.Path),
            refusal.Hint,
            refusal.ExitCode,
            refusal);
    }

    private static async Task<string?> DifferenceAsync(
        ControlPlane control, StoreView view, string repository, PathInfo info, CancellationToken cancellationToken)
    {
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(TimeMax);
        try
        {
            RepositoryInfo known = await RepositoryQuery.GetAsync(control, repository, limited.Token);
            using var source = new HttpSource(new Uri(known.DataUrl), timeout: TimeMax);
            await using RepositoryReader reader = await RepositoryReader.OpenAsync(
                source, [known.PublicKey], new RepositoryReaderOptions { ExpectedName = repository, Clock = control.Clock }, limited.Token);
            RepositoryPath committed = RepositoryFormat.StoreRootOf(repository, view.Directory).Combine(info.Path.Value);
            return await new ContentDifference(reader, limited.Token).FirstAsync(committed, DiskTree.Stat(view.DiskPath(info.Path)));
        }
        catch (Exception e) when (e is not OutOfMemoryException && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }
}
