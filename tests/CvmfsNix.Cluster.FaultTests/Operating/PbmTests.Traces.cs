using System.Globalization;
using CvmfsNix.Cluster.FaultTests.Processes;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.FaultTests.Operating;

/// <content>The trace of a publish, as a collector gets it.</content>
public sealed partial class PbmTests
{
    private const string TracedRepository = "traced.example.org";

    [Fact]
    public async Task One_trace_shows_a_publish_from_the_builder_to_the_last_replica()
    {
        await LinesAsync(0, "repo", "create", "-r", TracedRepository);
        string closure = Directory.CreateTempSubdirectory("cvmfsnix-ops-").FullName;
        string transaction = Guid.CreateVersion7().ToString();
        try
        {
            string app = (await ProgramRun.RunAsync(BuiltProgram.Cli, ["dev", "make-closure", closure], null, Ct)).Succeeded().Output.Trim();
            (await ProgramRun.RunAsync(
                BuiltProgram.Cli,
                ["publish", "--repo", TracedRepository, app, "--store-root", closure, "--registration", Path.Combine(closure, "registration"), "--transaction", transaction, "--wait", "all", "--server", "http://" + nodes.Host],
                nodes.Traces.Environment,
                Ct)).Succeeded();
        }
        finally
        {
            Directory.Delete(closure, recursive: true);
        }

        string trace = transaction.Replace("-", "", StringComparison.Ordinal);
        string[] expected = ["commit", "gateway", "journal append", "publish", "replicate", .. Enumerable.Repeat("serve", nodes.Count)];
        await Deadline.UntilAsync(() => Task.FromResult(nodes.Traces.Of(trace).Count >= expected.Length), "all of the trace has come", Ct);
        IReadOnlyList<TraceCollector.Span> spans = nodes.Traces.Of(trace);
        foreach (TraceCollector.Span span in spans.OrderBy(s => s.Start))
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{(span.Start - spans.Min(s => s.Start)) / 1e6,8:0.0} ms {(span.End - span.Start) / 1e6,8:0.0} ms  {span.Name,-16} {span.Service} {span.Instance}"));
        }

        Assert.Equal(expected, spans.Select(s => s.Name).Order(StringComparer.Ordinal));
        Assert.Equal(spans.Count, spans.Select(s => s.SpanId).Distinct().Count());
        Dictionary<string, TraceCollector.Span> one = spans.Where(s => s.Name != "serve").ToDictionary(s => s.Name);
        TraceCollector.Span root = Assert.Single(spans, s => s.ParentId.Length == 0);
        Assert.Equal(("publish", "cvmfsnix"), (root.Name, root.Service));
        Assert.All(spans.Where(s => s != root), s => Assert.Contains(spans, p => p.SpanId == s.ParentId));
        Assert.All(spans.Where(s => s.Name is "serve" or "replicate" or "journal append"), s => Assert.Equal(one["commit"].SpanId, s.ParentId));
        Assert.All(spans, s => Assert.Equal((TracedRepository, transaction), (s.Attributes["cvmfsnix.repository"], s.Attributes["cvmfsnix.transaction"])));
        // Builder, gateway and mirror are three processes; each core node serves for itself.
        Assert.Equal(3, new[] { "publish", "gateway", "replicate" }.Select(n => one[n].Instance).Distinct().Count());
        Assert.Equal(nodes.Count, spans.Where(s => s.Name == "serve").Select(s => s.Instance).Distinct().Count());
        Assert.Equal("geneva", one["replicate"].Attributes["cvmfsnix.site"]);
        // All on this machine, with one clock.
        Assert.True(root.Start <= one["gateway"].Start && one["gateway"].Start <= one["commit"].Start && one["commit"].Start <= one["journal append"].Start);
        Assert.True(one["journal append"].End <= one["commit"].End + 1_000_000 && one["gateway"].End <= root.End && one["replicate"].End <= root.End + 1_000_000_000);
    }
}
