using System.Diagnostics.Metrics;

namespace CvmfsNix.Cluster.Node.Metrics;

/// <summary>
/// Adds up what the instruments of some meters measure. <c>/metrics</c> and the dashboard read the same sums; whoever prefers another
/// exporter listens to the same meters. Thread-safe.
/// </summary>
public sealed class MetricCollector : IDisposable
{
    private const int KnownMax = 16;
    private static readonly double[] UsualBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private readonly Lock _gate = new();
    private readonly MeterListener _listener = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);

    /// <param name="meters">The meters to listen to.</param>
    public MetricCollector(params IReadOnlyList<Meter> meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (meters.Contains(instrument.Meter))
                listener.EnableMeasurementEvents(instrument, FamilyOf(instrument));
        };
        _listener.SetMeasurementEventCallback<double>((_, value, tags, state) => Add(state, value, tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, state) => Add(state, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, state) => Add(state, value, tags));
        _listener.Start();
    }

    /// <summary>All families, by name. Gauges are read now.</summary>
    public IReadOnlyList<MetricFamily> Collect()
    {
        lock (_gate)
        {
            // A series that is not measured any more, as of a mirror that was removed, is not shown with its last value for ever.
            foreach (Family family in _families.Values.Where(f => f.Observed))
                family.Series.Clear();
            _listener.RecordObservableInstruments();
            return [.. _families.Values.Select(f => f.Snapshot())];
        }
    }

    public void Dispose() => _listener.Dispose();

    private Family FamilyOf(Instrument instrument)
    {
        bool counter = instrument is Counter<long> or Counter<double> or ObservableCounter<long> or ObservableCounter<double>;
        bool histogram = instrument.GetType().GetGenericTypeDefinition() == typeof(Histogram<>);
        string name = PrometheusNames.Of(instrument.Name, instrument.Unit, counter);
        lock (_gate)
        {
            if (_families.TryGetValue(name, out Family? known))
                return known;
            double[] bounds = histogram ? BoundsOf(instrument) : [];
            return _families[name] = new Family(name, instrument.Description ?? "", counter ? MetricKind.Counter : histogram ? MetricKind.Histogram : MetricKind.Gauge, instrument.IsObservable, bounds);
        }
    }

    private static double[] BoundsOf(Instrument instrument) => instrument switch
    {
        Histogram<double> h => h.Advice?.HistogramBucketBoundaries?.ToArray() ?? UsualBounds,
        Histogram<long> h => h.Advice?.HistogramBucketBoundaries?.Select(b => (double)b).ToArray() ?? UsualBounds,
        _ => UsualBounds,
    };

    private void Add(object? state, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (state is not Family family)
            return;
        lock (_gate)
            family.Add(tags, value);
    }

    private sealed class Family(string name, string help, MetricKind kind, bool observed, double[] bounds)
    {
        private readonly List<(KeyValuePair<string, object?>[] Tags, Series Series)> _known = [];

        public bool Observed => observed;

        public SortedDictionary<string, Series> Series { get; } = new(StringComparer.Ordinal);

        public void Add(ReadOnlySpan<KeyValuePair<string, object?>> tags, double value)
        {
            Series series = Find(tags) ?? Make(tags);
            series.Count++;
            if (kind == MetricKind.Histogram)
                series.Buckets[Bucket(value)]++;
            series.Value = observed ? value : series.Value + value;
        }

        // Every request counts: the few tags that come again and again are compared, which takes no memory, before a key is made of them.
        private Series? Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach ((KeyValuePair<string, object?>[] known, Series series) in _known)
            {
                if (Same(known, tags))
                    return series;
            }

            return null;
        }

        private static bool Same(ReadOnlySpan<KeyValuePair<string, object?>> known, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (known.Length != tags.Length)
                return false;
            for (int i = 0; i < known.Length; i++)
            {
                if (known[i].Key != tags[i].Key || !Equals(known[i].Value, tags[i].Value))
                    return false;
            }

            return true;
        }

        private Series Make(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var labels = new KeyValuePair<string, string>[tags.Length];
            for (int i = 0; i < tags.Length; i++)
                labels[i] = new(PrometheusNames.Label(tags[i].Key), tags[i].Value?.ToString() ?? "");
            Array.Sort(labels, static (a, b) => string.CompareOrdinal(a.Key, b.Key));
            string key = string.Join('\0', labels.Select(static l => $"{l.Key}\u0001{l.Value}"));
            if (!Series.TryGetValue(key, out Series? series))
                Series[key] = series = new Series(labels, new long[bounds.Length + 1]);
            // Observed series come and go.
            if (!observed && _known.Count < KnownMax)
                _known.Add((tags.ToArray(), series));
            return series;
        }

        public MetricFamily Snapshot() => new(name, help, kind, [.. Series.Values.Select(Sample)]);

        private int Bucket(double value)
        {
            int at = Array.FindIndex(bounds, b => value <= b);
            return at < 0 ? bounds.Length : at;
        }

        private MetricSample Sample(Series s)
        {
            if (kind != MetricKind.Histogram)
                return new MetricSample(s.Labels, s.Value);
            long sum = 0;
            var buckets = new List<KeyValuePair<double, long>>();
            for (int i = 0; i <= bounds.Length; i++)
                buckets.Add(new(i < bounds.Length ? bounds[i] : double.PositiveInfinity, sum += s.Buckets[i]));
            return new MetricSample(s.Labels, s.Value) { Count = s.Count, Buckets = buckets };
        }
    }

    private sealed class Series(KeyValuePair<string, string>[] labels, long[] buckets)
    {
        public KeyValuePair<string, string>[] Labels => labels;

        public long[] Buckets => buckets;

        public double Value { get; set; }

        public long Count { get; set; }
    }
}
