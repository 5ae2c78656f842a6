using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Keys;

/// <summary>
/// The key folder of a node: <c>FQRN.pub</c>, <c>.crt</c>, <c>.key</c>, <c>.masterkey</c> (may be absent: kept offline), and the Nix key
/// <c>FQRN.nix.pub</c>, <c>.nix.sec</c> (<c>name:base64</c>). Secrets are readable by their owner only. Existing keys are never replaced.
/// </summary>
public sealed class KeyFolder(string directory)
{
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Public = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>The folder.</summary>
    public string Directory { get; } = Path.GetFullPath(directory);

    /// <summary>The keys found, or fresh ones; on return they survive a power loss.</summary>
    /// <param name="repository">Fully qualified repository name.</param>
    /// <param name="now">Goes into the certificate.</param>
    /// <param name="cancellationToken">Gives up waiting for another process that makes keys in the same folder.</param>
    /// <exception cref="KeyFileException">A file is unreadable or does not fit the others.</exception>
    public async Task<RepositoryKeySet> CreateOrLoadAsync(string repository, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        DurableDirectory.Ensure(Directory);
        // The folder may be shared by the nodes of a cluster, and two leaders may overlap: one makes the keys, the other finds them.
        using FileStream gate = await LockAsync(cancellationToken).ConfigureAwait(false);
        RepositoryKeys keys = LoadOrCreate(repository, now);
        string secretFile = FileOf(repository, ".nix.sec");
        NixSecretKey nix;
        if (File.Exists(secretFile))
        {
            nix = ReadNixKey(secretFile);
        }
        else
        {
            nix = NixSecretKey.Generate(repository + "-1");
            await WriteAsync(secretFile, nix.ToSecretString(), Secret, cancellationToken).ConfigureAwait(false);
        }

        string publicFile = FileOf(repository, ".nix.pub");
        if (!File.Exists(publicFile))
            await WriteAsync(publicFile, nix.PublicKey.ToString(), Public, cancellationToken).ConfigureAwait(false);
        return new RepositoryKeySet(keys, nix);
    }

    /// <summary>The keys of a repository; null when the folder lacks its signing key or its Nix key.</summary>
    /// <exception cref="KeyFileException">A file is unreadable or does not fit the others.</exception>
    public RepositoryKeySet? TryLoad(string repository) =>
        Path.Exists(FileOf(repository, ".key")) && Path.Exists(FileOf(repository, ".nix.sec"))
            ? new RepositoryKeySet(RepositoryKeys.Load(Directory, repository), ReadNixKey(FileOf(repository, ".nix.sec")))
            : null;

    /// <summary>The key that signs narinfos; null when the folder lacks it.</summary>
    /// <exception cref="KeyFileException">The file is unreadable.</exception>
    public NixSecretKey? TryLoadNix(string repository) =>
        Path.Exists(FileOf(repository, ".nix.sec")) ? ReadNixKey(FileOf(repository, ".nix.sec")) : null;

    /// <summary>Whether the key that signs whitelists is here now; it may be kept elsewhere.</summary>
    public bool HasMasterKey(string repository) => Path.Exists(FileOf(repository, ".masterkey"));

    /// <summary>Where a whitelist that was signed elsewhere is put, for the node that leads.</summary>
    public string WhitelistFile(string repository) => FileOf(repository, ".whitelist");

    /// <summary>Where the master public key of a repository lies: what clients are configured with.</summary>
    public string PublicKeyFile(string repository) => FileOf(repository, ".pub");

    // Four files cannot appear at once, and half a set, left by a crash, would block the repository's creation for ever: the keys are
    // completed in a folder of their own, whose rename is the decision; copying from there is repeated until it is done.
    private RepositoryKeys LoadOrCreate(string repository, DateTimeOffset now)
    {
        string decided = Path.Combine(Directory, $".{repository}.new"), drafted = decided + ".tmp";
        if (!System.IO.Directory.Exists(decided))
        {
            if (File.Exists(FileOf(repository, ".key")))
                return RepositoryKeys.Load(Directory, repository);
            Remove(drafted);
            using RepositoryKeys fresh = RepositoryKeys.Create(repository, now);
            fresh.Save(drafted);
            DirectorySync.Sync(drafted);
            System.IO.Directory.Move(drafted, decided);
            DirectorySync.Sync(Directory);
        }

        RepositoryKeys keys = RepositoryKeys.Load(decided, repository);
        keys.Save(Directory);
        DirectorySync.Sync(Directory);
        // Renamed back first: a power loss may keep some of the removals and not others, and a decided folder that lacks files would
        // block the repository for ever. A draft is thrown away whatever it holds.
        Remove(drafted);
        System.IO.Directory.Move(decided, drafted);
        DirectorySync.Sync(Directory);
        Remove(drafted);
        return keys;
    }

    private static void Remove(string folder)
    {
        if (System.IO.Directory.Exists(folder))
            System.IO.Directory.Delete(folder, recursive: true);
    }

    private string FileOf(string repository, string suffix) =>
        Cvmfs.Objects.RepositoryName.IsValid(repository)
            ? Path.Combine(Directory, repository + suffix)
            : throw new ArgumentException($"'{repository}' is not a legal repository name.", nameof(repository));

    private static NixSecretKey ReadNixKey(string file)
    {
        try
        {
            return NixSecretKey.Parse(File.ReadAllText(file).Trim());
        }
        catch (Exception e) when (e is FormatException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new KeyFileException($"{file} is no readable Nix secret key (one line, name:base64): {e.Message} Restore the file; or remove it and its .pub, and a new key is made.", e);
        }
    }

    private Task WriteAsync(string file, string text, UnixFileMode mode, CancellationToken cancellationToken) =>
        DurableFile.WriteAtomicAsync(Directory, file, System.Text.Encoding.UTF8.GetBytes(text), mode, cancellationToken: cancellationToken);

    private async Task<FileStream> LockAsync(CancellationToken cancellationToken)
    {
        string file = Path.Combine(Directory, ".lock");
        while (true)
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(file))
            {
                await Task.Delay(20, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
