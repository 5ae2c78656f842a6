using CvmfsNix.Cluster.Nix.PathInfos;

namespace CvmfsNix.Cluster.Store.Ingest;

public sealed class IngestPipeline(IPublishTarget target, IngestOptions options, IProgress<IngestProgress>? progress = null)
{
    public Task<IngestResult> RunAsync(IReadOnlyList<(PathInfo Info, byte[] DiskPath)> paths, CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{target} {options} {progress} {paths.Count}");
}
