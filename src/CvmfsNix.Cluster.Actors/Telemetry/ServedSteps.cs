using System.Globalization;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Tracing;

namespace CvmfsNix.Cluster.Actors.Telemetry;

/// <summary>Tells that revisions are served, for each transaction they are of.</summary>
internal static class ServedSteps
{
    /// <summary>Whoever catches up with a long history tells nothing of what nobody waits for any more.</summary>
    private static readonly TimeSpan Recent = TimeSpan.FromMinutes(15);

    public static void Tell(string repository, string step, IEnumerable<(DateTimeOffset At, ulong Revision, IReadOnlyList<TransactionId> Transactions)> revisions, DateTimeOffset started)
    {
        var now = DateTimeOffset.UtcNow;
        foreach (var (at, revision, transactions) in revisions)
        {
            if (now - at > Recent)
                continue;
            var attributes = new Dictionary<string, string>
            {
                ["cvmfsnix.repository"] = repository,
                ["cvmfsnix.revision"] = revision.ToString(CultureInfo.InvariantCulture),
            };
            foreach (var transaction in transactions)
                PublishSteps.Tell(new PublishStep(transaction, step, started, now, attributes));
        }
    }
}
