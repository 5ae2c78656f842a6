using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Sqlite;

namespace CvmfsNix.Cluster.Cvmfs.Tags;

/// <summary>The tag (history) database: schema 1.0, revision 3.</summary>
public static class TagDatabase
{
    /// <summary>Most tags that are read.</summary>
    public const int TagsMax = 1_000_000;

    private const string Tables = """
        CREATE TABLE properties (key TEXT, value TEXT, PRIMARY KEY (key));
        CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER, PRIMARY KEY (branch), FOREIGN KEY (parent) REFERENCES branches (branch),
          CHECK ((branch <> '') OR (parent IS NULL)), CHECK ((branch = '') OR (parent IS NOT NULL)));
        CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, description TEXT, size INTEGER, branch TEXT, PRIMARY KEY (name),
          FOREIGN KEY (branch) REFERENCES branches (branch));
        CREATE TABLE recycle_bin (hash TEXT, flags INTEGER, PRIMARY KEY (hash));
        """;

    /// <summary>True for a name the format allows: at least one of <c>A-Z a-z 0-9 - _ . / :</c>.</summary>
    public static bool IsValidName(string name) => !string.IsNullOrEmpty(name) && name.Length <= 255 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '/' or ':');

    /// <summary>The SQLite file of these tags, uncompressed, in the given order. Same tags, same bytes. Branches other than the trunk are entered as children of the trunk.</summary>
    /// <exception cref="ArgumentException">No tag on the trunk (the stock checker refuses that), a bad or repeated name, or a value out of range.</exception>
    public static byte[] Write(string fqrn, IReadOnlyList<RepositoryTag> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        if (!RepositoryName.IsValid(fqrn)) throw new ArgumentException($"'{Excerpt.Of(fqrn)}' is no repository name.", nameof(fqrn));
        if (!tags.Any(tag => tag.Branch.Length == 0)) throw new ArgumentException("A tag database needs at least one tag on the trunk.", nameof(tags));
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tag in tags) Check(tag, names);
        using var database = SqliteDatabase.CreateInMemory(what => new TagDatabaseFormatException($"The tag database of {fqrn} cannot be written: {what}."));
        database.Execute($"PRAGMA page_size=1024; BEGIN; {Tables} INSERT INTO branches VALUES ('', NULL, 0);");
        foreach (var (key, value) in new[] { ("schema", "1.0"), ("schema_revision", "3"), ("fqrn", fqrn) })
        {
            using var property = database.Rent("INSERT INTO properties VALUES (?1, ?2)");
            property.Text(1, key).Text(2, value).Run();
        }

        foreach (var branch in tags.Where(tag => tag.Branch.Length > 0).GroupBy(tag => tag.Branch, StringComparer.Ordinal))
        {
            using var row = database.Rent("INSERT INTO branches VALUES (?1, '', ?2)");
            row.Text(1, branch.Key).Integer(2, (long)branch.Min(tag => tag.Revision)).Run();
        }

        foreach (var tag in tags)
        {
            using var row = database.Rent("INSERT INTO tags (name, hash, revision, timestamp, channel, description, size, branch) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)");
            row.Text(1, tag.Name).Text(2, tag.RootHash.ToString()).Integer(3, (long)tag.Revision).Integer(4, tag.At.ToUnixTimeSeconds());
            row.Integer(5, tag.Channel).Text(6, tag.Description).Integer(7, tag.RootSize).Text(8, tag.Branch).Run();
        }

        database.Execute("COMMIT");
        return database.Serialize();
    }

    /// <summary>All tags of an inflated database, newest revision first, then by name.</summary>
    /// <exception cref="TagDatabaseFormatException">Not a tag database.</exception>
    public static IReadOnlyList<RepositoryTag> Read(string file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var database = SqliteDatabase.OpenFile(file, readOnly: true, what => new TagDatabaseFormatException($"{file} is no good tag database: {what}."));
        var tags = new List<RepositoryTag>();
        if (!database.HasTable("tags")) throw database.Fault("it has no table 'tags'");
        var columns = database.Columns("tags");
        var size = columns.Contains("size") ? "size" : "0";
        var branch = columns.Contains("branch") ? "branch" : "''";
        using var row = database.Prepare($"SELECT name, hash, revision, timestamp, channel, description, {size}, {branch} FROM tags ORDER BY revision DESC, name LIMIT {TagsMax + 1}");
        while (row.Step())
        {
            if (tags.Count == TagsMax) throw database.Fault($"it has more than {TagsMax} tags");
            var name = row.String(0);
            if (!ObjectHash.TryParse(row.String(1), out var hash)) throw database.Fault($"the tag '{Excerpt.Of(name)}' has the hash '{Excerpt.Of(row.String(1))}', which is none");
            long revision = row.Integer(2), seconds = row.Integer(3), bytes = row.Integer(6);
            if (revision < 0 || bytes < 0 || seconds < 0 || seconds > DateTimeOffset.MaxValue.ToUnixTimeSeconds()) throw database.Fault($"the tag '{Excerpt.Of(name)}' has a number out of range");
            tags.Add(new RepositoryTag(name, hash, (ulong)revision, DateTimeOffset.FromUnixTimeSeconds(seconds), bytes, row.String(5), row.String(7), (int)Math.Clamp(row.Integer(4), 0, int.MaxValue)));
        }

        return tags;
    }

    private static void Check(RepositoryTag tag, HashSet<string> names)
    {
        ArgumentNullException.ThrowIfNull(tag);
        if (!IsValidName(tag.Name)) throw new ArgumentException($"'{Excerpt.Of(tag.Name)}' is no tag name: use A-Z a-z 0-9 - _ . / : only.");
        if (!names.Add(tag.Name)) throw new ArgumentException($"The tag '{tag.Name}' is given twice.");
        if (!tag.Branch.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or '@' or '/')) throw new ArgumentException($"'{Excerpt.Of(tag.Branch)}' is no branch name.");
        if (tag.RootHash.IsNull || tag.Revision > long.MaxValue || tag.RootSize < 0 || tag.At < DateTimeOffset.UnixEpoch) throw new ArgumentException($"The tag '{tag.Name}' has no hash or a number out of range.");
    }
}
