using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Trust;
using Microsoft.Data.Sqlite;

namespace CvmfsNix.Cluster.TestKit.Damage;

/// <summary>
/// A good repository in a folder of its own, of which one thing at a time can be made wrong. Every edit repairs what lies above it (the parents'
/// references, tag database, reflog, signatures), so that nothing is wrong but what was asked for. What the edit replaces is removed.
/// </summary>
public sealed class DamageableRepository : IDisposable
{
    /// <summary>Its name.</summary>
    public const string Name = GoodRepository.Name;

    private const string ManifestFile = ".cvmfspublished";
    private const string WhitelistFile = ".cvmfswhitelist";
    private const string ReflogFile = ".cvmfsreflog";

    private static readonly Lazy<(RepositoryKeys Own, RepositoryKeys Foreign)> Keys = new(() =>
        (RepositoryKeys.Create(Name, GoodRepository.Now), RepositoryKeys.Create(Name, GoodRepository.Now)));

    // Files of the good repository, made once.
    private static readonly Lazy<IReadOnlyDictionary<string, byte[]>> Good = new(() =>
    {
        string folder = Directory.CreateTempSubdirectory("cvmfsnix-good-").FullName;
        try
        {
            GoodRepository.Write(folder, Keys.Value.Own);
            return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(f => Path.GetRelativePath(folder, f), File.ReadAllBytes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    });

    public DamageableRepository()
    {
        Folder = Directory.CreateTempSubdirectory("cvmfsnix-damage-").FullName;
        foreach ((string path, byte[] content) in Good.Value)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Folder, path))!);
            File.WriteAllBytes(Path.Combine(Folder, path), content);
        }
    }

    /// <summary>When it was published; the clock for checking it.</summary>
    public static DateTimeOffset Now => GoodRepository.Now;

    /// <summary>The repository folder.</summary>
    public string Folder { get; }

    /// <summary>What clients are configured with.</summary>
    public string MasterPublicKeyPem => Keys.Value.Own.MasterPublicKeyPem;

    /// <summary>Keys of somebody else for a repository of the same name.</summary>
    public RepositoryKeys ForeignKeys => Keys.Value.Foreign;

    /// <summary>The key that signs manifests.</summary>
    public RSA SigningKey => Keys.Value.Own.SigningKey;

    /// <summary>The certificate's text.</summary>
    public byte[] CertificatePem => Keys.Value.Own.Certificate.Pem;

    /// <summary>Value of a key of the manifest.</summary>
    public string Manifest(char key) => ManifestLines().Single(l => l[0] == key)[1..];

    /// <summary>The catalog mounted at a path: its object, below the folder.</summary>
    public string CatalogObject(string path) => StoredObjects.PathOf(CatalogHash(path), "C");

    /// <summary>The catalog mounted at a path: its hash text.</summary>
    public string CatalogHash(string path) => Chain(path)[^1].Hash;

    /// <summary>The root catalog that the tag <c>v1</c> names: its object.</summary>
    public string TaggedCatalogObject => StoredObjects.PathOf((string)SqliteBytes.Scalar(Tags(), "SELECT hash FROM tags WHERE name='v1'")!, "C");

    public string CertificateObject => StoredObjects.PathOf(Manifest('X'), "X");

    public string HistoryObject => StoredObjects.PathOf(Manifest('H'), "H");

    public string MetaInfoObject => StoredObjects.PathOf(Manifest('M'), "M");

    /// <summary>The whole-file object of a file.</summary>
    /// <param name="catalog">Where the catalog with the file's row is mounted.</param>
    /// <param name="path">The file.</param>
    public string ContentObject(string catalog, string path)
    {
        string row = (string)SqliteBytes.Scalar(
            Catalog(catalog), $"SELECT lower(hex(hash)) || CASE flags & 1792 WHEN 512 THEN '-shake128' ELSE '' END FROM catalog WHERE md5path_1=key1('{path}') AND md5path_2=key2('{path}')")!;
        return StoredObjects.PathOf(row, "");
    }

    /// <summary>The whole-file object of a file of the revision that the tag <c>v1</c> names.</summary>
    public string TaggedContentObject(string path) => StoredObjects.PathOf(
        (string)SqliteBytes.Scalar(Inflated(TaggedCatalogObject), $"SELECT lower(hex(hash)) FROM catalog WHERE md5path_1=key1('{path}') AND md5path_2=key2('{path}')")!, "");

    /// <summary>The chunk of a file that begins at an offset.</summary>
    public string ChunkObject(string catalog, string path, int offset) => StoredObjects.PathOf(
        (string)SqliteBytes.Scalar(Catalog(catalog), $"SELECT lower(hex(hash)) FROM chunks WHERE md5path_1=key1('{path}') AND md5path_2=key2('{path}') AND offset={offset}")!, "P");

    /// <summary>Changes a catalog by SQL. Everything above it fits again.</summary>
    /// <param name="path">Where the catalog is mounted; empty for the root.</param>
    /// <param name="sql">Must change rows; otherwise the damage would be none.</param>
    public void EditCatalog(string path, string sql) => EditCatalogFile(path, file => SqliteBytes.Edit(file, c => RunAll(c, sql)));

    /// <summary>Adds to a counter of a catalog and to what the catalogs above it sum up.</summary>
    /// <param name="path">Where the catalog is mounted; empty for the root.</param>
    /// <param name="counter">Without <c>self_</c>.</param>
    /// <param name="delta">May be negative.</param>
    public void AddToCounter(string path, string counter, long delta)
    {
        List<(string Path, string Hash)> chain = Chain(path);
        for (int i = 0; i < chain.Count; i++)
        {
            string prefix = i == chain.Count - 1 ? "self_" : "subtree_";
            EditCatalog(chain[i].Path, $"UPDATE statistics SET value = value + {delta} WHERE counter='{prefix}{counter}'");
        }
    }

    /// <summary>Changes the stored bytes of a catalog, so that it is another object. Everything above it fits again.</summary>
    public void EditStoredCatalog(string path, Func<byte[], byte[]> edit) =>
        ReplaceStoredCatalog(Chain(path), edit(File.ReadAllBytes(At(CatalogObject(path)))), Catalog(path).Length);

    /// <summary>Changes the bytes of a catalog's SQLite file. Everything above it fits again.</summary>
    public void EditCatalogFile(string path, Func<byte[], byte[]> edit) => ReplaceCatalog(Chain(path), edit(Catalog(path)));

    /// <summary>Changes the root catalog that the tag <c>v1</c> names, and the references to it.</summary>
    public void EditTaggedCatalog(string sql)
    {
        string old = (string)SqliteBytes.Scalar(Tags(), "SELECT hash FROM tags WHERE name='v1'")!;
        byte[] file = SqliteBytes.Edit(Inflated(StoredObjects.PathOf(old, "C")), c => RunAll(c, sql));
        string changed = StoredObjects.Put(Folder, StoredObjects.Deflate(file), "C");
        Remove(StoredObjects.PathOf(old, "C"));
        EditReflog($"UPDATE refs SET hash='{changed}' WHERE hash='{old}'");
        EditTags($"UPDATE tags SET hash='{changed}', size={file.Length} WHERE name='v1'");
        EditCatalog("", $"UPDATE properties SET value='{changed}' WHERE key='previous_revision'");
    }

    /// <summary>Changes the tag database by SQL; reflog and manifest follow.</summary>
    public void EditTags(string sql) => EditTagsFile(file => SqliteBytes.Edit(file, c => RunAll(c, sql)));

    /// <summary>Changes the bytes of the tag database's SQLite file; reflog and manifest follow.</summary>
    public void EditTagsFile(Func<byte[], byte[]> edit) => ReplaceNamed('H', 2, StoredObjects.Deflate(edit(Tags())));

    /// <summary>Stores other bytes as the metainfo object; reflog and manifest follow.</summary>
    public void ReplaceMetaInfo(byte[] stored) => ReplaceNamed('M', 3, stored);

    /// <summary>Stores other bytes as the certificate; reflog and manifest follow, signed with <paramref name="signer"/>.</summary>
    public void ReplaceCertificate(byte[] stored, RSA? signer = null)
    {
        ReplaceNamed('X', 1, stored);
        if (signer is not null)
            SignManifest(string.Concat(ManifestLines().Select(l => l + "\n")), signer);
    }

    /// <summary>Changes the reflog by SQL; the manifest's digest of it follows.</summary>
    public void EditReflog(string sql)
    {
        EditReflogAlone(sql);
        SetManifest('Y', StoredObjects.HashOf(File.ReadAllBytes(At(ReflogFile))));
    }

    /// <summary>Changes the reflog by SQL and leaves the manifest as it is.</summary>
    public void EditReflogAlone(string sql) => File.WriteAllBytes(At(ReflogFile), SqliteBytes.Edit(File.ReadAllBytes(At(ReflogFile)), c => RunAll(c, sql)));

    /// <summary>Changes the bytes of the reflog; the manifest's digest of it follows.</summary>
    public void EditReflogFile(Func<byte[], byte[]> edit)
    {
        File.WriteAllBytes(At(ReflogFile), edit(File.ReadAllBytes(At(ReflogFile))));
        SetManifest('Y', StoredObjects.HashOf(File.ReadAllBytes(At(ReflogFile))));
    }

    /// <summary>Sets a line of the manifest, or takes it out, and signs again.</summary>
    public void SetManifest(char key, string? value) => EditManifest(body =>
        string.Concat(body.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l[0] != key ? l + "\n" : value is null ? "" : $"{key}{value}\n")));

    /// <summary>Changes the manifest's text and signs again.</summary>
    public void EditManifest(Func<string, string> edit) => SignManifest(edit(string.Concat(ManifestLines().Select(l => l + "\n"))), Keys.Value.Own.SigningKey);

    /// <summary>Signs the manifest as it is with another key.</summary>
    public void SignManifestWith(RSA key) => SignManifest(string.Concat(ManifestLines().Select(l => l + "\n")), key);

    /// <summary>Changes the whitelist's text and signs again, by default with the right master key.</summary>
    public void EditWhitelist(Func<string, string> edit, RSA? masterKey = null)
    {
        string body = string.Concat(Lines(WhitelistFile).Select(l => l + "\n"));
        File.WriteAllBytes(At(WhitelistFile), SignedFile.Whitelist(edit(body), masterKey ?? Keys.Value.Own.MasterKey!));
    }

    /// <summary>Inverts the lowest bit of a byte of a file, counted from the end when negative.</summary>
    public void FlipByte(string path, int offset = -1)
    {
        byte[] content = File.ReadAllBytes(At(path));
        content[offset < 0 ? content.Length + offset : offset] ^= 1;
        File.WriteAllBytes(At(path), content);
    }

    /// <summary>Cuts the last bytes off a file.</summary>
    public void Truncate(string path, int bytes)
    {
        byte[] content = File.ReadAllBytes(At(path));
        File.WriteAllBytes(At(path), content[..^bytes]);
    }

    /// <summary>Removes a file.</summary>
    public void Remove(string path)
    {
        if (!File.Exists(At(path)))
            throw new FileNotFoundException("What is to be removed must be there.", path);
        File.Delete(At(path));
    }

    /// <summary>Stores an object under the name that fits its bytes; returns the hash text.</summary>
    public string PutObject(byte[] stored, string suffix = "") => StoredObjects.Put(Folder, stored, suffix);

    /// <summary>The stored form of content.</summary>
    public static byte[] Deflate(byte[] content) => StoredObjects.Deflate(content);

    /// <summary>Full path of a file of the repository.</summary>
    public string At(string path) => Path.Combine(Folder, path);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    // The catalogs from the root down to the one mounted at a path.
    private List<(string Path, string Hash)> Chain(string path)
    {
        var chain = new List<(string Path, string Hash)> { ("", Manifest('C')) };
        while (chain[^1].Path != path)
        {
            byte[] catalog = Inflated(StoredObjects.PathOf(chain[^1].Hash, "C"));
            string next = (string?)SqliteBytes.Scalar(
                catalog, $"SELECT path || ' ' || sha1 FROM nested_catalogs WHERE '{path}' = path OR substr('{path}', 1, length(path) + 1) = path || '/'")
                ?? throw new ArgumentException($"No catalog is mounted at '{path}'.", nameof(path));
            int blank = next.LastIndexOf(' ');
            chain.Add((next[..blank], next[(blank + 1)..]));
        }

        return chain;
    }

    private byte[] Catalog(string path) => Inflated(CatalogObject(path));

    private byte[] Tags() => Inflated(HistoryObject);

    private byte[] Inflated(string path) => StoredObjects.Inflate(File.ReadAllBytes(At(path)));

    private void ReplaceCatalog(List<(string Path, string Hash)> chain, byte[] file) => ReplaceStoredCatalog(chain, StoredObjects.Deflate(file), file.Length);

    private void ReplaceStoredCatalog(List<(string Path, string Hash)> chain, byte[] stored, int size)
    {
        (string path, string old) = chain[^1];
        string hash = StoredObjects.Put(Folder, stored, "C");
        if (hash == old)
            throw new ArgumentException("The edit changed nothing.");
        Remove(StoredObjects.PathOf(old, "C"));
        if (chain.Count > 1)
        {
            chain.RemoveAt(chain.Count - 1);
            byte[] parent = Inflated(StoredObjects.PathOf(chain[^1].Hash, "C"));
            ReplaceCatalog(chain, SqliteBytes.Edit(parent, c => SqliteBytes.Run(c, "UPDATE nested_catalogs SET sha1=$0, size=$1 WHERE path=$2", hash, size, path)));
            return;
        }

        EditReflog($"UPDATE refs SET hash='{hash}' WHERE hash='{old}'");
        EditTags($"UPDATE tags SET hash='{hash}', size={size} WHERE hash='{old}'");
        SetManifest('C', hash);
        SetManifest('B', size.ToString(CultureInfo.InvariantCulture));
    }

    private void ReplaceNamed(char key, int type, byte[] stored)
    {
        string old = Manifest(key);
        string hash = StoredObjects.Put(Folder, stored, key.ToString());
        if (hash == old)
            throw new ArgumentException("The edit changed nothing.");
        Remove(StoredObjects.PathOf(old, key.ToString()));
        EditReflog($"UPDATE refs SET hash='{hash}' WHERE hash='{old}' AND type={type}");
        SetManifest(key, hash);
    }

    private void SignManifest(string body, RSA key) => File.WriteAllBytes(At(ManifestFile), SignedFile.Manifest(body, key));

    private IEnumerable<string> ManifestLines() => Lines(ManifestFile);

    private IEnumerable<string> Lines(string file) => Encoding.Latin1.GetString(File.ReadAllBytes(At(file))).Split('\n').TakeWhile(l => l != "--");

    private static void RunAll(SqliteConnection connection, string sql)
    {
        foreach (string statement in sql.Split(";\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            bool definesData = !statement.StartsWith("UPDATE", StringComparison.Ordinal) && !statement.StartsWith("INSERT", StringComparison.Ordinal)
                && !statement.StartsWith("DELETE", StringComparison.Ordinal);
            if (SqliteBytes.Run(connection, statement) == 0 && !definesData)
                throw new ArgumentException($"No row was changed by: {statement}");
        }
    }
}
