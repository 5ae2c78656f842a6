using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Compression;
using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Objects;
using CvmfsNix.Cluster.Verify.Reports;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;
using CvmfsNix.Cluster.Verify.Sqlite;
using CvmfsNix.Cluster.Verify.Trees;

namespace CvmfsNix.Cluster.Verify.Tags;

/// <summary>A tag whose row is good.</summary>
internal sealed record CheckedTag(string Name, ObjectHash RootHash, long Revision, long Timestamp, long RootSize);

/// <summary>The tag database, and what its tags say of their root catalogs.</summary>
internal sealed class TagCheck(VerifyRun run, ObjectReader reader)
{
    private const int TagsMax = 1_000_000;
    private const int BranchesMax = 100_000;

    /// <summary>Checks the database; gives the tags that can be followed, in order of revision. Null when it cannot be read.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="maybeCollected">Whether garbage collection may have taken a former tag database.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    public async Task<IReadOnlyList<CheckedTag>?> CheckAsync(Manifest manifest, Func<ObjectName, bool> maybeCollected, CancellationToken cancellationToken)
    {
        if (manifest.History is not { } history)
            return [];
        var name = new ObjectName(history, ObjectKind.History);
        string file = run.ScratchFile("tags");
        try
        {
            ObjectCheck check;
            var content = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await using (content.ConfigureAwait(false))
                check = await reader.ReadAsync(name, CompressionAlgorithm.Zlib, run.Options.DatabaseBytesMax, content, cancellationToken).ConfigureAwait(false);
            if (check.Rule is { } rule)
            {
                run.Findings.Add(rule, null, $"This is the tag database: {check.Message}", name.ToString());
                return null;
            }

            ObjectHash? previous = null;
            IReadOnlyList<CheckedTag> tags = Read(file, manifest, name, ref previous);
            if (previous is { } hash && new ObjectName(hash, ObjectKind.History) is var former && !maybeCollected(former)
                && !await run.ExistsAsync(former.RelativePath, cancellationToken).ConfigureAwait(false))
            {
                run.Findings.Add(VerifyRules.PreviousRevision, null, $"The tag database {name} names this one as previous_revision, but it is not there.", former.ToString());
            }

            return tags;
        }
        catch (UnreadableDatabaseException e)
        {
            run.Findings.Add(e.Rule, null, e.Message, name.ToString());
            return null;
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Compares a tag with its root catalog.</summary>
    public void Compare(CheckedTag tag, CatalogResult root, ObjectName database)
    {
        var differences = new List<string>();
        if (root.Revision is { } revision && revision != (ulong)tag.Revision)
            differences.Add($"revision {tag.Revision}, the root catalog {revision}");
        if (root.LastModified != tag.Timestamp)
            differences.Add($"time {tag.Timestamp}, the root catalog {root.LastModified}");
        if (differences.Count > 0)
            run.Findings.Add(new Finding(VerifyRules.TagEntry, null, tag.RootHash.ToString(), database.ToString(), $"The tag \"{Shown.Text(tag.Name)}\" says {string.Join(", and ", differences)}."));
    }

    private List<CheckedTag> Read(string file, Manifest manifest, ObjectName name, ref ObjectHash? previous)
    {
        static UnreadableDatabaseException Fault(string what) => new(VerifyRules.TagDatabase, $"The tag database is no good: {what}.");
        using Database database = Database.OpenForeign(file, Fault, Fault);
        if (SchemaFault(database, manifest, out previous) is { } fault)
        {
            run.Findings.Add(VerifyRules.TagSchema, null, fault, name.ToString());
            return [];
        }

        var branches = new Dictionary<string, long>(StringComparer.Ordinal);
        bool hasBranches = database.Columns("branches").Count > 0;
        if (hasBranches)
            ReadBranches(database, branches, name);
        return ReadTags(database, manifest, hasBranches ? branches : null, name);
    }

    private static string? SchemaFault(Database database, Manifest manifest, out ObjectHash? previous)
    {
        const long revisionWithRecycleBin = 1, revisionWithBranches = 3;
        previous = null;
        if (!database.Columns("properties").IsSupersetOf(["key", "value"]))
            return "There is no table properties with the columns key and value.";
        Dictionary<string, string> properties = CatalogTables.Properties(database);
        string schema = properties.GetValueOrDefault("schema", "");
        if (!double.TryParse(schema, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) || Math.Abs(number - 1.0) > 0.001)
            return $"The schema of the tag database is \"{Shown.Text(schema)}\" instead of 1.0.";
        if (!long.TryParse(properties.GetValueOrDefault("schema_revision", "0"), NumberStyles.None, CultureInfo.InvariantCulture, out long revision))
            return "The schema revision of the tag database is no number.";
        if (properties.GetValueOrDefault("fqrn") != manifest.RepositoryName)
            return $"The tag database is of \"{Shown.Text(properties.GetValueOrDefault("fqrn", ""))}\", not of {manifest.RepositoryName}.";
        List<string> columns = ["name", "hash", "revision", "timestamp", "channel", "description"];
        if (revision >= revisionWithRecycleBin)
            columns.Add("size");
        if (revision >= revisionWithBranches)
            columns.Add("branch");
        if (!database.Columns("tags").IsSupersetOf(columns))
            return $"There is no table tags with the columns {string.Join(", ", columns)}.";
        if (revision >= revisionWithRecycleBin && database.Columns("recycle_bin").Count == 0)
            return "There is no table recycle_bin.";
        if (revision >= revisionWithBranches && !database.Columns("branches").IsSupersetOf(["branch", "parent", "initial_revision"]))
            return "There is no table branches with the columns branch, parent, initial_revision.";
        if (properties.GetValueOrDefault("previous_revision") is { Length: > 0 } text)
        {
            if (!ObjectHash.TryParse(text, out ObjectHash hash))
                return $"The previous_revision \"{Shown.Text(text)}\" of the tag database is no hash.";
            previous = hash.IsNull ? null : hash;
        }

        return null;
    }

    private void ReadBranches(Database database, Dictionary<string, long> branches, ObjectName name)
    {
        using Statement rows = database.Rent($"SELECT branch, parent, initial_revision FROM branches LIMIT {BranchesMax}");
        while (rows.Step())
        {
            string branch = rows.String(0);
            branches[branch] = rows.Integer(2);
            if (!branch.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@' or '/'))
                Say($"The branch \"{Shown.Text(branch)}\" has a character that is not allowed.");
            else if (branch.Length == 0 != rows.IsNull(1))
                Say(branch.Length == 0 ? "The trunk has a parent branch." : $"The branch \"{Shown.Text(branch)}\" has no parent branch.");
        }

        void Say(string message) => run.Findings.Add(VerifyRules.TagBranch, null, message, name.ToString());
    }

    private List<CheckedTag> ReadTags(Database database, Manifest manifest, Dictionary<string, long>? branches, ObjectName name)
    {
        HashSet<string> columns = database.Columns("tags");
        var tags = new List<CheckedTag>();
        var used = new HashSet<string>(StringComparer.Ordinal);
        using Statement rows = database.Rent(
            $"SELECT name, hash, revision, timestamp, {(columns.Contains("size") ? "size" : "0")}, {(columns.Contains("branch") ? "branch" : "''")} FROM tags ORDER BY revision, name LIMIT {TagsMax}");
        while (rows.Step())
        {
            string tag = rows.String(0), branch = rows.String(5);
            if (used.Add(branch) && branches is not null && !branches.ContainsKey(branch))
                Say(VerifyRules.TagBranch, $"The tag \"{Shown.Text(tag)}\" is on the branch \"{Shown.Text(branch)}\", which is not there.");
            else if (branches?.TryGetValue(branch, out long began) == true && rows.Integer(2) < began)
                Say(VerifyRules.TagBranch, $"The tag \"{Shown.Text(tag)}\" of revision {rows.Integer(2)} is on the branch \"{Shown.Text(branch)}\", which began at {began}.");
            if (TagFault(tag, rows) is { } fault)
            {
                Say(VerifyRules.TagEntry, $"The tag \"{Shown.Text(tag)}\" {fault}.");
                continue;
            }

            var checkedTag = new CheckedTag(tag, ObjectHash.Parse(rows.String(1)), rows.Integer(2), rows.Integer(3), rows.Integer(4));
            if (tag == "trunk" && branch.Length == 0 && checkedTag.RootHash != manifest.RootHash)
            {
                // It belongs to the newest revision; what it says of another is no second finding.
                Say(VerifyRules.TagTrunk, $"The tag trunk names the root catalog {checkedTag.RootHash}, the manifest {manifest.RootHash}.");
                continue;
            }

            tags.Add(checkedTag);
        }

        if (branches is not null)
        {
            // A branch '' that tags are on was missed with the first of them.
            if (!branches.ContainsKey("") && !used.Contains(""))
                Say(VerifyRules.TagBranch, "There is no branch '', the trunk.");
            foreach (string branch in branches.Keys.Where(b => !used.Contains(b)))
                Say(VerifyRules.TagBranch, branch.Length == 0 ? "No tag is on the trunk (branch '')." : $"No tag is on the branch \"{Shown.Text(branch)}\".");
        }

        return tags;

        void Say(string rule, string message) => run.Findings.Add(rule, null, message, name.ToString());
    }

    private static string? TagFault(string tag, Statement row)
    {
        if (tag.Length == 0 || !tag.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or ':'))
            return "has a name with a character that is not allowed";
        if (!ObjectHash.TryParse(row.String(1), out ObjectHash hash) || hash.IsNull)
            return $"has the hash \"{Shown.Text(row.String(1))}\", which is none";
        return row.Integer(2) < 0 || row.Integer(3) < 0 || row.Integer(4) < 0 ? "has a negative number" : null;
    }
}
