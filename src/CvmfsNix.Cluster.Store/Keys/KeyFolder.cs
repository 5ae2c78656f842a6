using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Nix.Signing;
using CvmfsNix.Cluster.Store.Files;

namespace CvmfsNix.Cluster.Store.Keys;

/// <summary>
/// The key folder of a node: <c>FQRN.pub</c>, <c>.crt</c>, <c>.key</c>, <c>.masterkey</c> (may be absent: kept offline), and the Nix key
/// <c>FQRN.nix.pub</c>, <c>.nix.sec</c> (<c>name:base64</c>). Further pairs that sign manifests have numbers, <c>FQRN.crt.2</c> and <c>.key.2</c>; which of the
/// pairs does is the journal's to say. Secrets are readable by their owner only. Existing keys are never replaced.
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

    /// <summary>The keys of a repository with the oldest pair that is here; null when the folder lacks a signing key or the Nix key.</summary>
    /// <exception cref="KeyFileException">A file is unreadable or does not fit the others.</exception>
    public RepositoryKeySet? TryLoad(string repository) =>
        RepositoryKeys.Pairs(Directory, repository) is [int first, ..] && Path.Exists(FileOf(repository, ".nix.sec"))
            ? new RepositoryKeySet(RepositoryKeys.Load(Directory, repository, first), ReadNixKey(FileOf(repository, ".nix.sec")))
            : null;

    /// <summary>The keys of a repository with the pair of a certificate; null when the folder lacks that pair or the Nix key.</summary>
    /// <param name="repository">Fully qualified repository name.</param>
    /// <param name="wanted">Tells the certificate.</param>
    /// <exception cref="KeyFileException">A file is unreadable, or does not fit the others, and no other pair is the wanted one.</exception>
    public RepositoryKeySet? TryLoad(string repository, Func<RepositoryCertificate, bool> wanted)
    {
        ArgumentNullException.ThrowIfNull(wanted);
        if (!Path.Exists(FileOf(repository, ".nix.sec")))
            return null;
        KeyFileException? unusable = null;
        foreach (int pair in RepositoryKeys.Pairs(Directory, repository))
        {
            try
            {
                RepositoryKeys keys = RepositoryKeys.Load(Directory, repository, pair);
                if (wanted(keys.Certificate))
                    return new RepositoryKeySet(keys, ReadNixKey(FileOf(repository, ".nix.sec")));
                keys.Dispose();
            }
            catch (KeyFileException e)
            {
                unusable ??= e;
            }
        }

        return unusable is null ? null : throw unusable;
    }

    /// <summary>The certificates of all pairs that can be used, oldest first.</summary>
    public IReadOnlyList<(int Pair, RepositoryCertificate Certificate)> Certificates(string repository)
    {
        var found = new List<(int, RepositoryCertificate)>();
        foreach (int pair in RepositoryKeys.Pairs(Directory, repository))
        {
            try
            {
                using RepositoryKeys keys = RepositoryKeys.Load(Directory, repository, pair);
                found.Add((pair, keys.Certificate));
            }
            catch (KeyFileException)
            {
                // Half a pair signs nothing. Who needs it loads it, and is told what is wrong with it.
            }
        }

        return found;
    }

    /// <summary>Makes the pair that is to sign manifests next; on return it survives a power loss.</summary>
    /// <param name="repository">Fully qualified repository name.</param>
    /// <param name="now">Goes into the certificate.</param>
    /// <param name="cancellationToken">Gives up waiting for another process that makes keys in the same folder.</param>
    /// <returns>Its number and its certificate.</returns>
    /// <exception cref="KeyFileException">There are no keys of the repository here.</exception>
    public async Task<(int Pair, RepositoryCertificate Certificate)> CreateNextAsync(string repository, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        if (RepositoryKeys.Pairs(Directory, repository) is not [.., _])
            throw new KeyFileException($"{Directory} has no keys of {repository}. Name the key folder of one of its nodes.");
        using FileStream gate = await LockAsync(cancellationToken).ConfigureAwait(false);
        int pair = RepositoryKeys.Pairs(Directory, repository)[^1] + 1;
        (System.Security.Cryptography.RSA key, RepositoryCertificate certificate) = RepositoryKeys.CreatePair(repository, now);
        using (key)
        {
            // The certificate first: a pair counts once its private key is there.
            await DurableFile.WriteAtomicAsync(Directory, RepositoryKeys.CertificateFile(Directory, repository, pair), certificate.Pem, Public, cancellationToken: cancellationToken).ConfigureAwait(false);
            await WriteAsync(RepositoryKeys.KeyFile(Directory, repository, pair), key.ExportPkcs8PrivateKeyPem() + "\n", Secret, cancellationToken).ConfigureAwait(false);
        }

        return (pair, certificate);
    }

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
