namespace CvmfsNix.Cluster.Nix.StorePaths;

/// <summary>
/// The directory that store paths live in. It is part of every store path's hash, so paths of two directories never mix.
/// Absolute, without a trailing slash, without empty, <c>.</c> or <c>..</c> components.
/// </summary>
public sealed record StoreDirectory
{
    /// <summary>The directory of nearly all Nix stores.</summary>
    public static readonly StoreDirectory Default = new("/nix/store");

    private StoreDirectory(string value) => Value = value;

    /// <summary>The directory, as in <c>/nix/store</c>.</summary>
    public string Value { get; }

    /// <summary>The directory Nix tools of this environment use: <c>NIX_STORE_DIR</c> where it is set, else <see cref="Default"/>.</summary>
    /// <exception cref="StorePathFormatException">The variable is set to something that is no store directory.</exception>
    public static StoreDirectory FromEnvironment() =>
        Environment.GetEnvironmentVariable("NIX_STORE_DIR") is { Length: > 0 } directory ? Parse(directory) : Default;

    /// <summary>Checks and takes a directory.</summary>
    /// <exception cref="StorePathFormatException">It is not absolute and normal.</exception>
    public static StoreDirectory Parse(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        if (directory.Length < 2 || directory[0] != '/')
            throw new StorePathFormatException(directory, "a store directory is an absolute path below the root");
        foreach (string component in directory[1..].Split('/'))
        {
            if (component is "" or "." or "..")
                throw new StorePathFormatException(directory, "a store directory has no trailing slash and no empty, . or .. component");
        }

        // Store paths stand in files of lines, and in messages.
        if (directory.Any(c => c == ':' || char.IsControl(c)))
            throw new StorePathFormatException(directory, "a store directory holds no control character and no colon");
        return new StoreDirectory(directory);
    }

    /// <summary>Store directory, slash, base name.</summary>
    public string FullPath(StorePathName name) => string.Concat(Value, "/", name.Value);

    /// <summary>True when <paramref name="fullPath"/> is this directory, one slash and a legal base name.</summary>
    public bool TryParsePath(string fullPath, out StorePathName name)
    {
        ArgumentNullException.ThrowIfNull(fullPath);
        return TryParsePath(fullPath.AsSpan(), out name);
    }

    /// <inheritdoc cref="TryParsePath(string, out StorePathName)"/>
    public bool TryParsePath(ReadOnlySpan<char> fullPath, out StorePathName name)
    {
        name = default;
        return fullPath.Length > Value.Length + 1
            && fullPath.StartsWith(Value, StringComparison.Ordinal)
            && fullPath[Value.Length] == '/'
            && StorePathName.TryParse(fullPath[(Value.Length + 1)..], out name);
    }

    /// <summary>As <see cref="TryParsePath(string, out StorePathName)"/>, with an error that says what is wrong.</summary>
    /// <exception cref="StorePathFormatException">It is not a store path of this directory.</exception>
    public StorePathName ParsePath(string fullPath)
    {
        ArgumentNullException.ThrowIfNull(fullPath);
        return StorePathName.Parse(BelowThis(fullPath));
    }

    /// <summary>The store path that <paramref name="anyPathBelow"/> is or lies in, as <c>/nix/store/X-name/bin/tool</c> lies in <c>X-name</c>.</summary>
    /// <exception cref="StorePathFormatException">It does not lie in a store path of this directory.</exception>
    public StorePathName TopLevel(string anyPathBelow)
    {
        ArgumentNullException.ThrowIfNull(anyPathBelow);
        string below = BelowThis(anyPathBelow);
        int slash = below.IndexOf('/', StringComparison.Ordinal);
        return StorePathName.Parse(slash < 0 ? below : below[..slash]);
    }

    public override string ToString() => Value;

    private string BelowThis(string path) =>
        path.Length > Value.Length + 1 && path.StartsWith(Value, StringComparison.Ordinal) && path[Value.Length] == '/'
            ? path[(Value.Length + 1)..]
            : throw new StorePathFormatException(path, $"it does not lie below {Value}");
}
