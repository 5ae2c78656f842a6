using CvmfsNix.Cluster.Cli.Output;
using CvmfsNix.Cluster.Verify;
using CvmfsNix.Cluster.Verify.Reports;

namespace CvmfsNix.Cluster.Cli.Verifying;

/// <summary>How a report is shown.</summary>
internal static class VerifyView
{
    public static VerifyJson ToJson(VerifyReport report) => new(
        report.Repository,
        report.Revision,
        report.RootHash,
        report.Catalogs,
        report.Entries,
        report.Objects,
        report.Bytes,
        (long)report.Duration.TotalMilliseconds,
        [.. report.Findings.Select(f => new FindingJson(f.Rule, f.Path, f.Catalog, f.Object, f.Message))],
        report.FindingsLeftOut,
        report.NarPaths,
        report.NarUnknown);

    public static void Print(Terminal terminal, VerifyReport report, VerifyOptions options)
    {
        foreach (Finding finding in report.Findings)
        {
            terminal.Line($"{finding.Rule}: {finding.Path ?? "-"}: {finding.Message}");
            if (finding.Object is not null || finding.Catalog is not null)
                terminal.Line($"    {(finding.Object is { } name ? $"object {name}" : "")}{(finding.Object is not null && finding.Catalog is not null ? ", " : "")}{(finding.Catalog is { } catalog ? $"catalog {catalog}" : "")}");
        }

        if (report.FindingsLeftOut > 0)
            terminal.Line($"… and {report.FindingsLeftOut} more");
        terminal.Line($"{(report.IsClean ? "clean" : $"{report.Findings.Count + report.FindingsLeftOut} findings")}: revision {report.Revision} of {report.Repository} (root {report.RootHash})");
        terminal.Line($"checked      {report.Catalogs} catalogs, {report.Entries} entries, {report.Objects} objects ({(options.Deep ? "read, hashed and inflated" : "present")})");
        terminal.Line($"NAR hashes   {(options.NarHashes is null ? "0 store paths: no --registration was given" : $"{report.NarPaths} store paths, {report.NarUnknown} are not in the registration")}");
        terminal.Line($"time         {(long)report.Duration.TotalMilliseconds} ms, {Terminal.Bytes(report.Bytes)} read");
    }
}
