using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Store.Blobs;

namespace CvmfsNix.Cluster.Store.Transfer;

/// <summary>
/// One file of a repository's store that is named by what it holds: an object, or a record file (bundle, delta list, path infos).
/// As text it is the object's name, or the 64 hex digits of the record file.
/// </summary>
public readonly record struct StoreItem
{
    private readonly ObjectName _object;

    private StoreItem(ObjectName name, string? blob) => (_object, Blob) = (name, blob);

    /// <summary>Digest of the record file; null for an object.</summary>
    public string? Blob { get; }

    /// <summary>Name of the object.</summary>
    /// <exception cref="InvalidOperationException">It is a record file.</exception>
    public ObjectName Object => Blob is null ? _object : throw new InvalidOperationException($"{Blob} is a record file.");

    /// <summary>An object.</summary>
    public static StoreItem Of(ObjectName name) => new(name, null);

    /// <summary>A record file.</summary>
    /// <exception cref="ArgumentException">It is no digest.</exception>
    public static StoreItem OfBlob(string digest) =>
        BlobFolder.IsDigest(digest) ? new StoreItem(default, digest) : throw new ArgumentException($"'{digest}' is not a blob's digest: 64 lower-case hex digits.", nameof(digest));

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string text, out StoreItem item)
    {
        ArgumentNullException.ThrowIfNull(text);
        item = default;
        if (BlobFolder.IsDigest(text))
        {
            item = new StoreItem(default, text);
            return true;
        }

        if (!ObjectName.TryParse(text, out ObjectName name))
            return false;
        item = new StoreItem(name, null);
        return true;
    }

    public override string ToString() => Blob ?? _object.ToString();
}
