using CvmfsNix.Cluster.Actors.Telemetry;

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

    private void MeasureAppended() => CoreMetrics.AppendDuration.Record(_settings.Clock.GetElapsedTime(_measuredFrom).TotalSeconds, Measured);
}
