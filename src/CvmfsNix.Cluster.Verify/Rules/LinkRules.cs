namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>Link counts of directories: 2 + the directories in them.</summary>
internal static class LinkRules
{
    /// <summary>Reports the wrong ones that no other finding explains; gives what they are off by in all.</summary>
    public static long Report(CatalogScope scope)
    {
        long sum = 0;
        // A directory that is not where it belongs is missed in one place, and is one too many in another.
        scope.LinkCounts.RemoveAll(l => Math.Abs(l.Stored - l.Computed) <= scope.DirectoriesInDoubt || scope.Tables.IsRegistered(l.Path.Bytes.Span));
        foreach ((Cvmfs.Catalogs.RepositoryPath path, long stored, long computed) in scope.LinkCounts)
        {
            sum += stored - computed;
            scope.Report(VerifyRules.LinkCount, path.ToString(), $"The link count is {stored}, but there are {computed - 2} directories inside, which makes {computed}.");
        }

        return sum;
    }
}
