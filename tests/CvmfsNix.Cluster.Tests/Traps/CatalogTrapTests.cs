using System.Globalization;
using CvmfsNix.Cluster.Cvmfs.Catalogs;
using Xunit;

namespace CvmfsNix.Cluster.Tests.Traps;

/// <summary>Traps of the catalogs, in what is written.</summary>
public sealed class CatalogTrapTests(TrapFixture repositories) : IClassFixture<TrapFixture>
{
    private const string IsRegular = "(mode & 61440)=32768";
    private const string IsDirectory = "(mode & 61440)=16384";

    // What each counter counts, per row of the catalog table.
    private static readonly (string Counter, string Sql)[] Counters =
    [
        ("regular", $"SELECT count(*) FROM catalog WHERE {IsRegular}"),
        ("symlink", "SELECT count(*) FROM catalog WHERE (mode & 61440)=40960"),
        ("special", "SELECT count(*) FROM catalog WHERE (mode & 61440) NOT IN (32768, 40960, 16384)"),
        ("dir", $"SELECT count(*) FROM catalog WHERE {IsDirectory}"),
        ("nested", "SELECT count(*) FROM nested_catalogs"),
        ("chunked", $"SELECT count(*) FROM catalog WHERE {IsRegular} AND flags & 64"),
        ("chunks", "SELECT count(*) FROM chunks"),
        ("file_size", $"SELECT coalesce(sum(size), 0) FROM catalog WHERE {IsRegular}"),
        ("chunked_size", $"SELECT coalesce(sum(size), 0) FROM catalog WHERE {IsRegular} AND flags & 64"),
        ("xattr", "SELECT count(*) FROM catalog WHERE xattr IS NOT NULL"),
        ("external", $"SELECT count(*) FROM catalog WHERE {IsRegular} AND flags & 128"),
        ("external_file_size", $"SELECT coalesce(sum(size), 0) FROM catalog WHERE {IsRegular} AND flags & 128"),
    ];

    [Fact]
    public void Trap_05_path_keys_are_little_endian_halves_and_the_parent_of_the_root_is_zero()
    {
        foreach (RawDatabase catalog in repositories.Raw.Catalogs())
        {
            List<(string Path, object?[] Row)> tree = catalog.Tree("parent_1, parent_2, name");
            Assert.Equal(catalog.Number("SELECT count(*) FROM catalog"), tree.Count);
            foreach ((string path, object?[] row) in tree)
            {
                (long, long) parent = path.Length == 0 ? (0, 0) : RawDatabase.Key(path[..path.LastIndexOf('/')]);
                Assert.Equal(parent, ((long)row[0]!, (long)row[1]!));
                Assert.Equal(path[(path.LastIndexOf('/') + 1)..], row[2]);
            }

            if (catalog.MountedAt.Length == 0)
                Assert.Equal(1, catalog.Number("SELECT count(*) FROM catalog WHERE md5path_1=338333539836370388 AND md5path_2=9098107892288553193 AND parent_1=0 AND parent_2=0 AND name=''"));
        }
    }

    [Fact]
    public void Trap_06_nothing_is_null_never_an_empty_blob_names_are_never_null_and_no_file_is_in_wal_mode()
    {
        long nothing = 0;
        foreach (RawDatabase catalog in repositories.Raw.Catalogs().Concat(repositories.RawShake.Catalogs()))
        {
            Assert.Equal([1, 1], catalog.FileBytes[18..20]);
            nothing += catalog.Number("SELECT count(*) FROM catalog WHERE hash IS NULL AND xattr IS NULL");
            Assert.Empty(catalog.Rows("SELECT name FROM catalog WHERE NOT (hash IS NULL OR (typeof(hash)='blob' AND length(hash)=20))"));
            Assert.Empty(catalog.Rows("SELECT name FROM catalog WHERE NOT (xattr IS NULL OR (typeof(xattr)='blob' AND length(xattr)>3))"));
            Assert.Empty(catalog.Rows("SELECT name FROM catalog WHERE typeof(name)<>'text' OR typeof(symlink)<>'text'"));
            Assert.Empty(catalog.Rows("SELECT hash FROM chunks WHERE typeof(hash)<>'blob' OR length(hash)<>20"));
        }

        Assert.True(nothing > 10);
        Assert.Equal([1, 1], repositories.Raw.Tags().FileBytes[18..20]);
    }

    [Fact]
    public void Trap_08_all_twenty_four_counters_are_there_and_exact()
    {
        Dictionary<string, Dictionary<string, long>> totals = [];
        List<(string Path, string[] Nested, Dictionary<string, long> Subtree)> parents = [];
        foreach (RawDatabase catalog in repositories.Raw.Catalogs())
        {
            var stored = catalog.Rows("SELECT counter, value FROM statistics").ToDictionary(r => (string)r[0]!, r => (long)r[1]!);
            Assert.Equal(24, stored.Count);
            foreach ((string counter, string sql) in Counters)
                Assert.True(catalog.Number(sql) == stored["self_" + counter], $"{catalog.MountedAt}: self_{counter} is {stored["self_" + counter]}, counted {catalog.Number(sql)}");
            totals.Add(catalog.MountedAt, Counters.ToDictionary(c => c.Counter, c => stored["self_" + c.Counter] + stored["subtree_" + c.Counter]));
            parents.Add((catalog.MountedAt, [.. catalog.Rows("SELECT path FROM nested_catalogs").Select(r => (string)r[0]!)], Counters.ToDictionary(c => c.Counter, c => stored["subtree_" + c.Counter])));
        }

        foreach ((string path, string[] nested, Dictionary<string, long> subtree) in parents)
            Assert.All(Counters, c => Assert.True(nested.Sum(n => totals[n][c.Counter]) == subtree[c.Counter], $"{path}: subtree_{c.Counter} is {subtree[c.Counter]}"));
        Assert.True(totals[""]["chunks"] >= 5 && totals[""]["symlink"] >= 3 && totals[""]["nested"] >= 3);
    }

    [Fact]
    public void Trap_09_a_transition_point_has_two_rows_that_agree()
    {
        const string agreed = "name, mode, size, mtime, hardlinks, hash, symlink, xattr IS NULL";
        Dictionary<string, object?[]> transitions = [];
        int met = 0;
        foreach (RawDatabase catalog in repositories.Raw.Catalogs())
        {
            (long high, long low) = RawDatabase.Key(catalog.MountedAt);
            if (transitions.TryGetValue(catalog.MountedAt, out object?[]? above))
            {
                met++;
                Assert.Equal(above, Assert.Single(catalog.Rows($"SELECT {agreed} FROM catalog WHERE md5path_1=$1 AND md5path_2=$2 AND flags=33", high, low)));
                Assert.Equal(catalog.MountedAt, catalog.Property("root_prefix"));
            }

            foreach (object?[] nested in catalog.Rows("SELECT path FROM nested_catalogs"))
            {
                (high, low) = RawDatabase.Key((string)nested[0]!);
                transitions.Add((string)nested[0]!, Assert.Single(catalog.Rows($"SELECT {agreed} FROM catalog WHERE md5path_1=$1 AND md5path_2=$2 AND flags=3", high, low)));
            }

            Assert.Equal(catalog.Number("SELECT count(*) FROM nested_catalogs"), catalog.Number("SELECT count(*) FROM catalog WHERE flags & 2"));
        }

        Assert.True(met >= 3);
        Assert.Equal(transitions.Count, met);
    }

    [Fact]
    public void Trap_10_link_count_of_a_directory_is_two_and_its_directories()
    {
        // By path over all catalogs, as both rows of a transition point have the count of what lies in the lower one.
        List<(string Path, long Mode, long Links)> rows = [.. repositories.Raw.Catalogs().SelectMany(c => c.Tree("mode, hardlinks").Select(r => (r.Path, (long)r.Row[0]!, (long)r.Row[1]!)))];
        var directories = rows.Where(r => (r.Mode & 0xF000) == 0x4000).ToList();
        var inside = directories.Select(d => d.Path).Distinct().Where(p => p.Length > 0).ToLookup(p => p[..p.LastIndexOf('/')]);
        Assert.Contains(directories, d => inside[d.Path].Count() >= 2);
        Assert.All(directories, d => Assert.True(d.Links == 2 + inside[d.Path].Count(), $"'{d.Path}' has link count {d.Links} and {inside[d.Path].Count()} directories"));
        Assert.All(rows.Except(directories), r => Assert.Equal(1, r.Links));
    }

    [Fact]
    public void Trap_11_every_nested_root_and_no_other_directory_has_the_marker()
    {
        foreach (RawDatabase catalog in repositories.Raw.Catalogs())
        {
            string[] markers = [.. catalog.Tree("mode").Select(r => r.Path).Where(p => p.EndsWith("/.cvmfscatalog", StringComparison.Ordinal))];
            Assert.Equal(catalog.MountedAt.Length == 0 ? [] : [catalog.MountedAt + "/.cvmfscatalog"], markers);
            Assert.Equal(markers.Length, catalog.Number($"SELECT count(*) FROM catalog WHERE name='.cvmfscatalog' AND {IsRegular} AND flags & 4 AND hash IS NOT NULL"));
        }
    }

    [Fact]
    public void Trap_15_the_fields_of_an_attribute_blob_are_one_byte_each()
    {
        using var writer = CatalogWriter.Create(new CatalogProperties { Revision = 1, LastModified = 1 });
        writer.Insert(new CatalogEntry
        {
            Path = RepositoryPath.Root, Mode = 16877, LinkCount = 2, Xattrs = Xattrs.Encode([("user.note"u8.ToArray(), "abc"u8.ToArray()), ("user.empty"u8.ToArray(), default)]),
        });
        using var raw = new RawDatabase("", writer.ToBytes(), 0);

        // version 1, two of them; key of 10 and no value; key of 9 and a value of 3.
        Assert.Equal("0102" + "0A00" + "757365722E656D707479" + "0903" + "757365722E6E6F7465" + "616263", raw.Rows("SELECT hex(xattr) FROM catalog")[0][0]);
        Assert.Equal(1, raw.Number("SELECT value FROM statistics WHERE counter='self_xattr'"));
        Assert.All(repositories.Raw.Catalogs(), catalog => Assert.Equal("0", catalog.Number("SELECT count(xattr) FROM catalog").ToString(CultureInfo.InvariantCulture)));
    }
}
