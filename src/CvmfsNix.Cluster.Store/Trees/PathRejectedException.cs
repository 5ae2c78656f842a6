namespace CvmfsNix.Cluster.Store.Trees;

/// <summary>The stable names of the reasons a path is refused for.</summary>
public static class PathRejectionCodes
{
    /// <summary>The tree's archive has another hash or size than the registration says.</summary>
    public const string NarHashMismatch = "NarHashMismatch";

    /// <summary>An object the tree names is not in the store.</summary>
    public const string ObjectMissing = "ObjectMissing";

    /// <summary>A file's objects do not hold the bytes the tree says they hold.</summary>
    public const string ContentMismatch = "ContentMismatch";

    /// <summary>The tree is no tree that an archive can have.</summary>
    public const string InvalidTree = "InvalidTree";

    /// <summary>The tree is legal but a CernVM-FS client would show something else.</summary>
    public const string NotRepresentable = "NotRepresentable";

    /// <summary>The path is not the one its content address leads to.</summary>
    public const string ContentAddressMismatch = "ContentAddressMismatch";
}

/// <summary>A store path was not taken.</summary>
public sealed class PathRejectedException : Exception
{
    public PathRejectedException(string code, string what, string message, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        What = what;
    }

    /// <summary>One of <see cref="PathRejectionCodes"/>.</summary>
    public string Code { get; }

    /// <summary>The store path, or the file in it.</summary>
    public string What { get; }
}
