namespace CvmfsNix.Cluster.Verify.Rules;

/// <summary>
/// Names of all rules, as findings carry them. A name never changes its meaning; docs/format.md lists them. One cause gives one finding:
/// what follows from a broken rule (wrong counters behind a missing row, say) is not reported beside it.
/// </summary>
public static class VerifyRules
{
    // --- The signed head ---

    /// <summary><c>.cvmfspublished</c> is shorter than 4096 bytes, has the keys C R D S N X T with good values, and R is the MD5 of the empty path.</summary>
    public const string ManifestFormat = "manifest-format";

    /// <summary>Key N is the expected repository (the name that ends the URL, where one is known).</summary>
    public const string ManifestName = "manifest-name";

    /// <summary>The printed digest is that of the lines above it, and the certificate's key signed it. Nothing else is checked when this fails.</summary>
    public const string ManifestSignature = "manifest-signature";

    /// <summary>Key S equals the property <c>revision</c> of the root catalog.</summary>
    public const string ManifestRevision = "manifest-revision";

    /// <summary>Key T is not before the property <c>last_modified</c> of the root catalog.</summary>
    public const string ManifestTime = "manifest-time";

    /// <summary>Key D equals the property <c>TTL</c> of the root catalog, or 240 where it has none.</summary>
    public const string ManifestTtl = "manifest-ttl";

    /// <summary>With key A "yes", the links <c>.cvmfsalt-…</c> of certificate and root catalog exist.</summary>
    public const string AlternativePaths = "alternative-paths";

    /// <summary>A HEAD request finds what a GET request finds.</summary>
    public const string HttpHead = "http-head";

    /// <summary>The certificate object holds a PEM X.509 certificate with an RSA key. Its dates mean nothing: no client looks at them.</summary>
    public const string CertificateFormat = "certificate-format";

    /// <summary><c>.cvmfswhitelist</c> is there and well-formed.</summary>
    public const string WhitelistFormat = "whitelist-format";

    /// <summary>The current hour lies before the whitelist's hour of expiry.</summary>
    public const string WhitelistExpired = "whitelist-expired";

    /// <summary>The whitelist names the manifest's repository.</summary>
    public const string WhitelistName = "whitelist-name";

    /// <summary>The whitelist's digest fits, and a given master key signed it.</summary>
    public const string WhitelistSignature = "whitelist-signature";

    /// <summary>The whitelist lists the certificate's fingerprint.</summary>
    public const string WhitelistFingerprint = "whitelist-fingerprint";

    /// <summary>The metainfo object is JSON of at most 1 MiB.</summary>
    public const string MetaInfoFormat = "metainfo-format";

    /// <summary>Certificate and metainfo objects are the bytes classic zlib makes at level 6: a stock replica stores what its zlib makes under the same name.</summary>
    public const string ClassicCompression = "classic-compression";

    // --- Objects ---

    /// <summary>An object that manifest, tag, catalog row, chunk row or nested catalog row names is there.</summary>
    public const string ObjectMissing = "object-missing";

    /// <summary>The digest of an object's stored bytes is its name. Catalogs, tag database, certificate and metainfo always; the rest with deep.</summary>
    public const string ObjectDigest = "object-digest";

    /// <summary>A compressed object is one whole zlib stream, nothing behind it. As <see cref="ObjectDigest"/>.</summary>
    public const string ObjectInflate = "object-inflate";

    /// <summary>A file's or chunk's object inflates to the size its row says (deep).</summary>
    public const string ObjectSize = "object-size";

    /// <summary>The object of compressed empty content is the eight bytes <c>789c030000000001</c>.</summary>
    public const string EmptyObject = "empty-object";

    /// <summary>In a folder, with deep: <c>data/</c> holds two-digit folders with well-named regular files, and <c>txn</c>, nothing else.</summary>
    public const string StrayFile = "stray-file";

    // --- A catalog as a file ---

    /// <summary>The inflated size of a catalog is what manifest (B), tag or parent catalog say.</summary>
    public const string CatalogSize = "catalog-size";

    /// <summary>A catalog is a sound UTF-8 SQLite database without views, triggers and virtual tables.</summary>
    public const string CatalogDatabase = "catalog-database";

    /// <summary>A catalog is in rollback-journal format (bytes 18 and 19 are 1); stock clients crash on others.</summary>
    public const string CatalogJournalMode = "catalog-journal-mode";

    /// <summary>Schema 2.5 or 2.4 of a revision up to 7, with all tables and columns of it.</summary>
    public const string CatalogSchema = "catalog-schema";

    /// <summary>The properties <c>revision</c>, <c>last_modified</c>, <c>TTL</c> and <c>previous_revision</c> have good values, where present; the first is present.</summary>
    public const string CatalogProperties = "catalog-properties";

    /// <summary>The property <c>root_prefix</c> is the path the catalog is mounted at, and absent in a root catalog.</summary>
    public const string RootPrefix = "root-prefix";

    /// <summary>The object named by <c>previous_revision</c> of a root catalog or tag database is there, unless garbage collection may have taken it, or the repository is a replica.</summary>
    public const string PreviousRevision = "previous-revision";

    // --- Rows of a catalog ---

    /// <summary>The catalog's root row exists, is a directory, has the right parent key, and flag 32 exactly in a nested catalog.</summary>
    public const string RootRow = "root-row";

    /// <summary><c>md5path_1</c> and <c>md5path_2</c> are the little-endian halves of the MD5 of the row's path.</summary>
    public const string PathKey = "path-key";

    /// <summary><c>parent_1</c> and <c>parent_2</c> are the key of the directory that the row's own key belongs to.</summary>
    public const string ParentKey = "parent-key";

    /// <summary>Every row can be reached from the root row; one finding for each directory that is not there.</summary>
    public const string DanglingRow = "dangling-row";

    /// <summary>No two rows are of the same path.</summary>
    public const string DuplicateName = "duplicate-name";

    /// <summary>A name is not empty, not <c>.</c> or <c>..</c>, and has neither slash nor NUL; a path has at most 4096 bytes.</summary>
    public const string EntryName = "entry-name";

    /// <summary><c>name</c> and <c>symlink</c> are text, never NULL.</summary>
    public const string NullText = "null-text";

    /// <summary><c>hash</c> and <c>xattr</c> are NULL where there is nothing, never an empty blob.</summary>
    public const string EmptyBlob = "empty-blob";

    /// <summary>The mode names a file type, and the flags name the same.</summary>
    public const string EntryType = "entry-type";

    /// <summary>Flags fit each other and the type: transition flags on directories alone and one at a time, external and direct I/O on regular files, known hash algorithm and compression, flag 32 on the root row alone.</summary>
    public const string EntryFlags = "entry-flags";

    /// <summary>A stored hash is 20 bytes, not all zero; regular files without chunks have one, all other types none.</summary>
    public const string EntryHash = "entry-hash";

    /// <summary>A symlink has a target without NUL, everything else an empty one.</summary>
    public const string SymlinkTarget = "symlink-target";

    /// <summary>Sizes are not negative; FIFOs and sockets have size 0; <c>mtimens</c> is NULL or 0 to 999,999,999.</summary>
    public const string EntrySize = "entry-size";

    /// <summary><c>xattr</c> is version 1, a count of 1 to 255, and as many keys and values to the last byte.</summary>
    public const string XattrFormat = "xattr-format";

    /// <summary>The link count is not 0, and that of a directory is 2 + its sub-directories.</summary>
    public const string LinkCount = "link-count";

    /// <summary>A directory has no hard link group; a file with several links has one; members lie in one directory, agree, and are as many as the link count.</summary>
    public const string HardlinkGroup = "hardlink-group";

    /// <summary>Chunks of a chunked file begin at 0, leave no gap, do not overlap, are not empty, and end at the file's size; there is at least one.</summary>
    public const string ChunkLayout = "chunk-layout";

    /// <summary>A chunk row's hash is 20 bytes, not all zero.</summary>
    public const string ChunkHash = "chunk-hash";

    /// <summary>Chunk rows belong to a row of a regular file with flag 64.</summary>
    public const string ChunkOwner = "chunk-owner";

    /// <summary>The root directory of a nested catalog holds the regular file <c>.cvmfscatalog</c>.</summary>
    public const string MarkerMissing = "marker-missing";

    /// <summary>No other directory holds a <c>.cvmfscatalog</c>.</summary>
    public const string MarkerMisplaced = "marker-misplaced";

    // --- Between catalogs ---

    /// <summary>Rows with flag 2 and the rows of <c>nested_catalogs</c> name the same paths; registered hashes and sizes are good.</summary>
    public const string NestedRegistration = "nested-registration";

    /// <summary>Rows with flag 0x4000 and the rows of <c>bind_mountpoints</c> name the same paths, none of them nested too.</summary>
    public const string BindRegistration = "bind-registration";

    /// <summary>A mount point has no entries in the parent catalog.</summary>
    public const string MountPointChildren = "mount-point-children";

    /// <summary>Both rows of a transition point agree in name, link count, group, size, mode, mtime, nanoseconds, hash, symlink, external flag and in having attributes.</summary>
    public const string TransitionRow = "transition-row";

    // --- Counters ---

    /// <summary>All 24 counters are there and are numbers.</summary>
    public const string CountersMissing = "counters-missing";

    /// <summary>The twelve <c>self_</c> counters are what the rows add up to.</summary>
    public const string SelfCounters = "self-counters";

    /// <summary>The twelve <c>subtree_</c> counters are the sum of what the nested catalogs' own counters say.</summary>
    public const string SubtreeCounters = "subtree-counters";

    // --- Tags and reflog ---

    /// <summary>The tag database is a sound SQLite database in rollback-journal format.</summary>
    public const string TagDatabase = "tag-database";

    /// <summary>It has schema 1.0, the repository's name, and the tables <c>tags</c>, <c>branches</c> and <c>recycle_bin</c> with their columns.</summary>
    public const string TagSchema = "tag-schema";

    /// <summary>Branch names are good, branch <c>''</c> is there, each tag's branch exists and began no later than the tag, and no branch is without tag.</summary>
    public const string TagBranch = "tag-branch";

    /// <summary>A tag has a good name and hash, and revision, time and size of its root catalog.</summary>
    public const string TagEntry = "tag-entry";

    /// <summary>The tag <c>trunk</c>, where there is one, names the manifest's root catalog.</summary>
    public const string TagTrunk = "tag-trunk";

    /// <summary>A reflog is there when the manifest has a Y, and its digest is Y. On a replica, which has a reflog of its own, not checked.</summary>
    public const string ReflogChecksum = "reflog-checksum";

    /// <summary>The reflog is a sound SQLite database of schema 1.0 for this repository.</summary>
    public const string ReflogDatabase = "reflog-database";

    /// <summary>The reflog holds the manifest's C, X, H and M as what they are.</summary>
    public const string ReflogEntry = "reflog-entry";

    // --- Nix ---

    /// <summary>A store path in the repository has the NAR hash, and size, registered for it.</summary>
    public const string NarHash = "nar-hash";

    /// <summary>What a registered store path in the repository refers to is in the repository too.</summary>
    public const string Closure = "closure";

    /// <summary>All names, sorted.</summary>
    public static IReadOnlyList<string> All { get; } =
        [.. typeof(VerifyRules).GetFields().Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!).Order(StringComparer.Ordinal)];
}
