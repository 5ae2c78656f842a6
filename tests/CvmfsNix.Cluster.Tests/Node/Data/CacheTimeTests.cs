using System.Globalization;
using CvmfsNix.Cluster.Node.Data;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Node.Data;

public sealed class CacheTimeTests
{
    [Fact]
    public void The_date_is_that_of_every_answer_and_not_of_the_first()
    {
        var time = new CacheTime(TimeSpan.FromSeconds(61));
        DateTime first = new(2026, 3, 1, 23, 59, 0, DateTimeKind.Utc);
        foreach (DateTime now in (DateTime[])[first, first.AddMilliseconds(999), first.AddSeconds(1), first.AddDays(1), first])
        {
            IHeaderDictionary headers = new HeaderDictionary();
            time.Apply(headers, now);
            Assert.Equal("max-age=61", headers.CacheControl.ToString());
            DateTime expires = DateTime.ParseExact(headers.Expires.ToString(), "R", CultureInfo.InvariantCulture);
            Assert.InRange((expires - now).TotalSeconds, 60, 61);
        }
    }

    [Fact]
    public void Each_duration_has_its_own()
    {
        Assert.Same(CacheTime.Of(TimeSpan.FromSeconds(5)), CacheTime.Of(TimeSpan.FromSeconds(5)));
        IHeaderDictionary headers = new HeaderDictionary();
        CacheTime.Of(TimeSpan.FromDays(3)).Apply(headers, DateTime.UtcNow);
        Assert.Equal("max-age=259200", headers.CacheControl.ToString());
    }
}
