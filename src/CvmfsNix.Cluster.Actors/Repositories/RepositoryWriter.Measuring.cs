using System.Globalization;
using CvmfsNix.Cluster.Actors.Telemetry;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Model.Tracing;
using CvmfsNix.Cluster.Model.Transactions;

namespace CvmfsNix.Cluster.Actors.Repositories;

/// <content>What commits cost.</content>
internal sealed partial class RepositoryWriter
{
    private long _measuredFrom;

    private KeyValuePair<string, object?> Measured => new("repository", _definition.Repository.Value);

    private void Measure() => _measuredFrom = _settings.Clock.GetTimestamp();

    private void MeasurePrepared(int decided)
    {
        CoreMetrics.PrepareDuration.Record(_settings.Clock.GetElapsedTime(_measuredFrom).TotalSeconds, Measured);
        CoreMetrics.BatchSize.Record(decided, Measured);
        Measure();
    }

    private void MeasureAppended()
    {
        var took = _settings.Clock.GetElapsedTime(_measuredFrom);
        CoreMetrics.AppendDuration.Record(took.TotalSeconds, Measured);
        if (PublishSteps.Followed)
            TellSteps(PublishStep.Append, _ => Now - took);
    }

    // Of everything a batch decided: a commit is one, and each of its transactions has a trace of its own.
    private void TellSteps(string step, Func<TransactionId, DateTimeOffset> started)
    {
        var attributes = new Dictionary<string, string>
        {
            ["cvmfsnix.repository"] = _definition.Repository.Value,
            ["cvmfsnix.batch"] = _decided.Count.ToString(CultureInfo.InvariantCulture),
            ["cvmfsnix.epoch"] = _settings.Epoch.ToString(CultureInfo.InvariantCulture),
            ["cvmfsnix.sequence"] = LastSequenceNr.ToString(CultureInfo.InvariantCulture),
        };
        foreach (var outcome in _decided)
        {
            PublishSteps.Tell(new PublishStep(
                outcome.Id,
                step,
                started(outcome.Id),
                Now,
                new Dictionary<string, string>(attributes) { ["cvmfsnix.revision"] = outcome.Revision.ToString(CultureInfo.InvariantCulture) })
            {
                Failed = outcome.Status == TransactionStatus.Rejected,
            });
        }
    }

    private void TellCommitted()
    {
        if (PublishSteps.Followed)
            TellSteps(PublishStep.Commit, id => _inFlight.FirstOrDefault(q => q.Transaction.Id == id)?.ArrivedAt ?? Now);
    }
}
