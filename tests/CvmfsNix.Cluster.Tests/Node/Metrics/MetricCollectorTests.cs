using System.Diagnostics.Metrics;
using CvmfsNix.Cluster.Node.Metrics;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Metrics;

public sealed class MetricCollectorTests : IDisposable
{
    private readonly Meter _meter = new("test");
    private readonly MetricCollector _collector;

    public MetricCollectorTests() => _collector = new MetricCollector(_meter);

    [Fact]
    public void Counters_add_up_by_label_and_end_in_total()
    {
        Counter<long> counter = _meter.CreateCounter<long>("cvmfsnix.http.requests", "{requests}", "Requests.");
        counter.Add(2, new KeyValuePair<string, object?>("code", 200));
        counter.Add(3, new KeyValuePair<string, object?>("code", 200));
        counter.Add(1, new KeyValuePair<string, object?>("code", 404));
        Assert.Equal(
            "# HELP cvmfsnix_http_requests_total Requests.\n# TYPE cvmfsnix_http_requests_total counter\n"
            + "cvmfsnix_http_requests_total{code=\"200\"} 5\ncvmfsnix_http_requests_total{code=\"404\"} 1\n",
            PrometheusText.Write(_collector.Collect()));
    }

    [Fact]
    public void Tags_that_differ_in_one_name_value_or_number_are_series_of_their_own()
    {
        Counter<long> counter = _meter.CreateCounter<long>("n");
        for (int i = 0; i < 3; i++)
        {
            counter.Add(1);
            counter.Add(1, new KeyValuePair<string, object?>("a", 1));
            counter.Add(1, new KeyValuePair<string, object?>("a", 2));
            counter.Add(1, new KeyValuePair<string, object?>("b", 1));
            counter.Add(1, new("a", 1), new KeyValuePair<string, object?>("b", 1));
            // The order is no difference.
            counter.Add(1, new("b", 1), new KeyValuePair<string, object?>("a", 1));
        }

        MetricFamily family = Assert.Single(_collector.Collect());
        Assert.Equal([3, 3, 6, 3, 3], family.Samples.Select(s => s.Value));
    }

    [Fact]
    public void More_tags_than_are_remembered_are_counted_as_well()
    {
        Counter<long> counter = _meter.CreateCounter<long>("n");
        for (int i = 0; i < 100; i++)
            counter.Add(1, new KeyValuePair<string, object?>("code", i % 50));
        MetricFamily family = Assert.Single(_collector.Collect());
        Assert.Equal(50, family.Samples.Count);
        Assert.All(family.Samples, s => Assert.Equal(2, s.Value));
    }

    [Fact]
    public void Buckets_of_a_histogram_hold_all_that_is_not_larger()
    {
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] };
        Histogram<double> histogram = _meter.CreateHistogram("cvmfsnix.publish.duration", "s", "Time.", null, advice);
        foreach (double value in (double[])[0.05, 0.1, 0.5, 7])
            histogram.Record(value);
        string[] lines = PrometheusText.Write(_collector.Collect()).Split('\n');
        Assert.Equal(
            ["cvmfsnix_publish_duration_seconds_bucket{le=\"0.1\"} 2", "cvmfsnix_publish_duration_seconds_bucket{le=\"1\"} 3", "cvmfsnix_publish_duration_seconds_bucket{le=\"+Inf\"} 4",
             "cvmfsnix_publish_duration_seconds_sum 7.65", "cvmfsnix_publish_duration_seconds_count 4"],
            lines[2..^1]);
    }

    [Fact]
    public void A_series_that_is_not_observed_any_more_is_not_shown()
    {
        string[] replicas = ["a", "b"];
        _meter.CreateObservableGauge("lag", () => replicas.Select(r => new Measurement<double>(1, new KeyValuePair<string, object?>("replica", r))));
        Assert.Equal(2, Assert.Single(_collector.Collect()).Samples.Count);
        replicas = ["b"];
        Assert.Equal("b", Assert.Single(Assert.Single(_collector.Collect()).Samples).Labels[0].Value);
    }

    [Fact]
    public void What_a_label_holds_cannot_break_the_text()
    {
        _meter.CreateObservableGauge("g", () => new Measurement<int>(1, new KeyValuePair<string, object?>("a.b", "x\"y\\z\nw")), null, "One\nline \\");
        Assert.Equal("# HELP g One\\nline \\\\\n# TYPE g gauge\ng{a_b=\"x\\\"y\\\\z\\nw\"} 1\n", PrometheusText.Write(_collector.Collect()));
    }

    [Fact]
    public void Other_meters_are_not_listened_to()
    {
        using var other = new Meter("test");
        other.CreateCounter<long>("n").Add(1);
        Assert.Empty(_collector.Collect());
    }

    [Theory]
    [InlineData("cvmfsnix.store", "By", false, "cvmfsnix_store_bytes")]
    [InlineData("cvmfsnix.store.bytes", "By", true, "cvmfsnix_store_bytes_total")]
    [InlineData("9lives", "{lives}", false, "_9lives")]
    public void Names_say_the_unit_in_full(string instrument, string unit, bool counter, string expected) =>
        Assert.Equal(expected, PrometheusNames.Of(instrument, unit, counter));

    public void Dispose()
    {
        _collector.Dispose();
        _meter.Dispose();
    }
}
