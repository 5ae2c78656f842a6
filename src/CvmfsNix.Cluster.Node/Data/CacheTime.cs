using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Data;

/// <summary>
/// How long caches may keep an answer, as headers say it: to caches of HTTP/1.1 as a duration, to elder ones as a date. The texts are made once,
/// and the date once a second, which is as exact as it can be written. Thread-safe.
/// </summary>
/// <param name="time">From the answer on.</param>
internal sealed class CacheTime(TimeSpan time)
{
    // The data port has a handful of them, all constant.
    private static readonly ConcurrentDictionary<TimeSpan, CacheTime> All = new();

    private readonly string _control = string.Create(CultureInfo.InvariantCulture, $"max-age={(long)time.TotalSeconds}");
    private volatile Date _expires = new(long.MinValue, "");

    /// <summary>The headers of a duration.</summary>
    public static CacheTime Of(TimeSpan time) => All.GetOrAdd(time, static t => new CacheTime(t));

    /// <summary>Sets them.</summary>
    /// <param name="headers">Of the answer.</param>
    /// <param name="now">UTC.</param>
    public void Apply(IHeaderDictionary headers, DateTime now)
    {
        long second = now.Ticks / TimeSpan.TicksPerSecond;
        Date expires = _expires;
        if (expires.Second != second)
            _expires = expires = new Date(second, now.Add(time).ToString("R", CultureInfo.InvariantCulture));
        headers.CacheControl = _control;
        headers.Expires = expires.Text;
    }

    private sealed record Date(long Second, string Text);
}
