namespace CvmfsNix.Cluster.Node.Options;

/// <summary>Finds what somebody meant to write.</summary>
public static class NearestName
{
    /// <summary>The known name with the fewest edits from <paramref name="written"/>; null when none is near.</summary>
    public static string? Of(string written, IEnumerable<string> known)
    {
        ArgumentNullException.ThrowIfNull(written);
        ArgumentNullException.ThrowIfNull(known);
        if (written.Length > 64)
            return null;
        (string? best, int bestDistance) = (null, int.MaxValue);
        foreach (string name in known)
        {
            int distance = Distance(written.ToLowerInvariant(), name);
            if (distance < bestDistance)
                (best, bestDistance) = (name, distance);
        }

        return bestDistance <= Math.Max(2, written.Length / 3) ? best : null;
    }

    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
