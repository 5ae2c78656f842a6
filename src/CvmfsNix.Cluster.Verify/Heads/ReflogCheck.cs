using CvmfsNix.Cluster.Cvmfs.Hashing;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Verify.Catalogs;
using CvmfsNix.Cluster.Verify.Objects;
using CvmfsNix.Cluster.Verify.Rules;
using CvmfsNix.Cluster.Verify.Running;
using CvmfsNix.Cluster.Verify.Sqlite;

namespace CvmfsNix.Cluster.Verify.Heads;

/// <summary>The reflog: its digest is in the manifest, and what the manifest refers to is in it. Repositories without one are fine.</summary>
internal sealed class ReflogCheck(VerifyRun run)
{
    public const string ReflogFile = ".cvmfsreflog";
    private const int BufferBytes = 64 * 1024;

    /// <summary>Checks it.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="isReplica">A replica has a reflog of its own, of which the manifest knows nothing.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>Whether garbage collection may have taken a root catalog or tag database: it takes it out of the reflog too.</returns>
    public async Task<Func<ObjectName, bool>> CheckAsync(Manifest manifest, bool isReplica, CancellationToken cancellationToken)
    {
        string file = run.ScratchFile("reflog");
        try
        {
            HashAlgorithmId algorithm = manifest.ReflogChecksum?.Algorithm ?? manifest.RootHash.Algorithm;
            ObjectHash? digest = await run.AskAsync(token => DownloadAsync(file, algorithm, token), cancellationToken).ConfigureAwait(false);
            if (digest is null)
            {
                if (manifest.ReflogChecksum is { } missing && !isReplica)
                    run.Findings.Add(VerifyRules.ReflogChecksum, ReflogFile, $"The manifest says that there is a reflog of digest {missing} (Y), but there is none.");
                return _ => isReplica;
            }

            if (!isReplica && digest != manifest.ReflogChecksum)
            {
                // What is in it says nothing then.
                run.Findings.Add(
                    VerifyRules.ReflogChecksum, ReflogFile,
                    manifest.ReflogChecksum is { } wanted ? $"The reflog has the digest {digest}; the manifest says {wanted} (Y)." : "There is a reflog, but the manifest has no digest of it (Y).");
                return _ => true;
            }

            HashSet<ObjectName>? names = Read(file, manifest);
            return name => isReplica || (manifest.GarbageCollectable && names is not null && !names.Contains(name));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private HashSet<ObjectName>? Read(string file, Manifest manifest)
    {
        try
        {
            static UnreadableDatabaseException Fault(string what) => new(VerifyRules.ReflogDatabase, $"The reflog is no good: {what}.");
            using Database database = Database.OpenForeign(file, Fault, Fault);
            if (!database.Columns("refs").IsSupersetOf(["hash", "type", "timestamp"]) || !database.Columns("properties").IsSupersetOf(["key", "value"]))
                throw Fault("the tables refs and properties are not there with their columns");
            Dictionary<string, string> properties = CatalogTables.Properties(database);
            if (!properties.GetValueOrDefault("schema", "").StartsWith("1.0", StringComparison.Ordinal))
                throw Fault($"its schema is \"{Shown.Text(properties.GetValueOrDefault("schema", ""))}\" instead of 1.0");
            if (properties.GetValueOrDefault("fqrn") is { } fqrn && fqrn != manifest.RepositoryName)
                throw Fault($"it is of \"{Shown.Text(fqrn)}\", not of {manifest.RepositoryName}");
            foreach ((ObjectName? name, string key) in Needed(manifest))
            {
                if (name is { } needed && !Holds(database, needed))
                    run.Findings.Add(VerifyRules.ReflogEntry, ReflogFile, $"The reflog does not hold what the manifest names as {key}.", needed.ToString());
            }

            // Only these can be asked for later.
            return Roots(database);
        }
        catch (UnreadableDatabaseException e)
        {
            run.Findings.Add(e.Rule, ReflogFile, e.Message);
            return null;
        }
    }

    private static IEnumerable<(ObjectName? Name, string Key)> Needed(Manifest manifest) =>
    [
        (new ObjectName(manifest.RootHash, ObjectKind.Catalog), "C"),
        (new ObjectName(manifest.Certificate, ObjectKind.Certificate), "X"),
        (manifest.History is { } history ? new ObjectName(history, ObjectKind.History) : null, "H"),
        (manifest.MetaInfo is { } metaInfo ? new ObjectName(metaInfo, ObjectKind.MetaInfo) : null, "M"),
    ];

    private static bool Holds(Database database, ObjectName name)
    {
        using Statement row = database.Rent("SELECT 1 FROM refs WHERE hash=?1 AND type=?2");
        row.Text(1, name.Hash.ToString()).Integer(2, TypeOf(name.Kind));
        return row.Step();
    }

    private static HashSet<ObjectName> Roots(Database database)
    {
        const int rowsMax = 1_000_000;
        var names = new HashSet<ObjectName>();
        using Statement rows = database.Rent($"SELECT hash, type FROM refs WHERE type IN (0, 2) LIMIT {rowsMax}");
        while (rows.Step())
        {
            if (ObjectHash.TryParse(rows.String(0), out ObjectHash hash))
                names.Add(new ObjectName(hash, rows.Integer(1) == 0 ? ObjectKind.Catalog : ObjectKind.History));
        }

        return names;
    }

    private static long TypeOf(ObjectKind kind) => kind switch
    {
        ObjectKind.Catalog => 0,
        ObjectKind.Certificate => 1,
        ObjectKind.History => 2,
        _ => 3,
    };

    private async Task<ObjectHash?> DownloadAsync(string file, HashAlgorithmId algorithm, CancellationToken cancellationToken)
    {
        Stream? stored = await run.Source.OpenAsync(ReflogFile, cancellationToken).ConfigureAwait(false);
        if (stored is null)
            return null;
        var digest = new DigestStream(stored, algorithm, run.Options.DatabaseBytesMax);
        await using (digest.ConfigureAwait(false))
        {
            var target = new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.None);
            await using (target.ConfigureAwait(false))
                await digest.CopyToAsync(target, BufferBytes, cancellationToken).ConfigureAwait(false);
            run.ReadBytes(digest.Count);
            return digest.Finish();
        }
    }
}
