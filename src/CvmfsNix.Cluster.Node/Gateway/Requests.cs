using CvmfsNix.Cluster.Actors.Hosting;
using CvmfsNix.Cluster.Cvmfs.Objects;
using CvmfsNix.Cluster.Model.Ids;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Store.Trees;

namespace CvmfsNix.Cluster.Node.Gateway;

/// <summary>Reads the fields of requests; what is wrong becomes an error that names the field's value.</summary>
public static class Requests
{
    private const int ShownMax = 120;

    public static string Repository(string fqrn) => RepositoryName.IsValid(fqrn)
        ? fqrn
        : throw new NodeException(new NodeError(
            PublishingCodes.InvalidRepositoryName, "This is no repository name.", Shown(fqrn), "1 to 60 letters, digits, dots, dashes or underscores, as in software.example.org."));

    public static TransactionId Transaction(string text) => TransactionId.TryParse(text, out TransactionId id)
        ? id
        : throw new NodeException(new NodeError(PublishingCodes.InvalidTransactionId, "This is no transaction id.", Shown(text), "It is a UUID of version 7."));

    public static RequestDigest RequestDigest(ReadOnlySpan<byte> digest) => digest.Length == Model.Ids.RequestDigest.Size
        ? new RequestDigest(digest)
        : throw Invalid("request digest", $"It has {digest.Length} bytes, not {Model.Ids.RequestDigest.Size}.");

    public static StorePathName StorePath(string name) => StorePathName.TryParse(name, out StorePathName path)
        ? path
        : throw Invalid(Shown(name), "This is no base name of a store path.");

    public static ContentDigest Digest(ReadOnlySpan<byte> digest) => digest.Length == ContentDigest.Size
        ? new ContentDigest(digest)
        : throw Invalid("content digest", $"It has {digest.Length} bytes, not {ContentDigest.Size}.");

    /// <summary>A refusal of a request's form.</summary>
    public static NodeException Invalid(string what, string message, string? hint = null) =>
        new(new NodeError(NodeCodes.InvalidRequest, message, what, hint));

    private static string Shown(string text) => text.Length <= ShownMax ? text : string.Concat(text.AsSpan(0, ShownMax), "…");
}
