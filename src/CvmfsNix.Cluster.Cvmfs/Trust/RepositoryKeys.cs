using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CvmfsNix.Cluster.Cvmfs.Objects;

namespace CvmfsNix.Cluster.Cvmfs.Trust;

/// <summary>
/// Keys of one repository, as files in one folder: <c>FQRN.pub</c> (master public key), <c>FQRN.masterkey</c> (signs the whitelist; may be kept elsewhere),
/// <c>FQRN.crt</c> and <c>FQRN.key</c> (sign manifests). All PEM. A pair that signs manifests after the first one has a number at the end of both
/// names: <c>FQRN.crt.2</c> and <c>FQRN.key.2</c>.
/// </summary>
public sealed class RepositoryKeys : IDisposable
{
    private const int KeyBits = 2048;
    private const int CertificateDays = 365;
    private const UnixFileMode Secret = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Open = Secret | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly string? _masterKeyPem;
    private readonly string _signingKeyPem;

    private RepositoryKeys(string fqrn, int pair, RSA? masterKey, string? masterKeyPem, string masterPublicKeyPem, RSA signingKey, string signingKeyPem, RepositoryCertificate certificate)
    {
        RepositoryName = fqrn;
        Pair = pair;
        MasterKey = masterKey;
        MasterPublicKeyPem = masterPublicKeyPem;
        SigningKey = signingKey;
        Certificate = certificate;
        _masterKeyPem = masterKeyPem;
        _signingKeyPem = signingKeyPem;
    }

    public string RepositoryName { get; }

    /// <summary>Which pair signs manifests: 1 is the one that was made with the repository.</summary>
    public int Pair { get; }

    /// <summary>Private key of the certificate.</summary>
    public RSA SigningKey { get; }

    /// <summary>Key that signs whitelists; null where its file is absent.</summary>
    public RSA? MasterKey { get; }

    public RepositoryCertificate Certificate { get; }

    /// <summary>What clients are configured with.</summary>
    public string MasterPublicKeyPem { get; }

    /// <summary>Makes new keys: two RSA keys of 2048 bits and a self-signed certificate for a year.</summary>
    /// <exception cref="ArgumentException">Not a repository name.</exception>
    public static RepositoryKeys Create(string fqrn, DateTimeOffset now)
    {
        CheckName(fqrn);
        var master = RSA.Create(KeyBits);
        (RSA signing, RepositoryCertificate certificate) = CreatePair(fqrn, now);
        return new RepositoryKeys(
            fqrn, 1, master, master.ExportPkcs8PrivateKeyPem() + "\n", master.ExportSubjectPublicKeyInfoPem() + "\n", signing, signing.ExportPkcs8PrivateKeyPem() + "\n", certificate);
    }

    /// <summary>Makes another pair for a repository: an RSA key of 2048 bits and a self-signed certificate for a year.</summary>
    /// <exception cref="ArgumentException">Not a repository name.</exception>
    public static (RSA SigningKey, RepositoryCertificate Certificate) CreatePair(string fqrn, DateTimeOffset now)
    {
        CheckName(fqrn);
        var signing = RSA.Create(KeyBits);
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName($"{fqrn} CernVM-FS Release Managers");
        var request = new CertificateRequest(subject.Build(), signing, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(now.AddHours(-1), now.AddDays(CertificateDays));
        return (signing, RepositoryCertificate.Parse(Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n")));
    }

    /// <summary>The numbers of the pairs of which a folder has the private key, ascending.</summary>
    /// <exception cref="ArgumentException">Not a repository name.</exception>
    public static IReadOnlyList<int> Pairs(string directory, string fqrn) => Numbers(directory, fqrn, "key");

    /// <summary>File of the private key of a pair.</summary>
    public static string KeyFile(string directory, string fqrn, int pair) => PathOf(directory, fqrn, Numbered("key", pair));

    /// <summary>File of the certificate of a pair.</summary>
    public static string CertificateFile(string directory, string fqrn, int pair) => PathOf(directory, fqrn, Numbered("crt", pair));

    /// <summary>Reads the keys of a repository; the master key may be absent.</summary>
    /// <exception cref="KeyFileException">A file is missing or unreadable, or the files do not belong together.</exception>
    public static RepositoryKeys Load(string directory, string fqrn, int pair = 1)
    {
        CheckName(fqrn);
        ArgumentNullException.ThrowIfNull(directory);
        var certificatePath = CertificateFile(directory, fqrn, pair);
        RepositoryCertificate certificate = ReadCertificate(certificatePath, "Put the repository's certificate there.");
        var signingPath = KeyFile(directory, fqrn, pair);
        var signingPem = ReadText(signingPath);
        var signing = ReadPrivateKey(signingPath, signingPem);
        if (!SamePublicKey(signing, certificate.PublicKey))
        {
            signing.Dispose();
            throw new KeyFileException($"{signingPath} is not the private key of {certificatePath}. Put both files of one pair there.");
        }

        var publicPath = PathOf(directory, fqrn, "pub");
        var publicPem = ReadText(publicPath);
        using var publicKey = ReadPublicKey(publicPath, publicPem);
        var masterPath = PathOf(directory, fqrn, "masterkey");
        RSA? master = null;
        string? masterPem = null;
        if (File.Exists(masterPath))
        {
            masterPem = ReadText(masterPath);
            master = ReadPrivateKey(masterPath, masterPem);
            if (!SamePublicKey(master, publicKey))
            {
                throw new KeyFileException($"{masterPath} is not the private key of {publicPath}. Put both files of one pair there, or take the master key away.");
            }
        }

        return new RepositoryKeys(fqrn, pair, master, masterPem, publicPem, signing, signingPem, certificate);
    }

    /// <summary>Reads what signs whitelists on a machine that has nothing else: the master key and the certificates, one or several.</summary>
    /// <exception cref="KeyFileException">A file is missing or unreadable, or the master key is not that of the public key beside it.</exception>
    public static (RSA MasterKey, IReadOnlyList<RepositoryCertificate> Certificates) LoadForWhitelist(string directory, string fqrn)
    {
        CheckName(fqrn);
        ArgumentNullException.ThrowIfNull(directory);
        // Without any, the file that is missing is named.
        IReadOnlyList<int> pairs = Numbers(directory, fqrn, "crt") is { Count: > 0 } found ? found : [1];
        List<RepositoryCertificate> certificates = [.. pairs.Select(p => ReadCertificate(CertificateFile(directory, fqrn, p), "Copy the repository's certificate there; it is no secret."))];
        var masterPath = PathOf(directory, fqrn, "masterkey");
        var master = ReadPrivateKey(masterPath, ReadText(masterPath));
        var publicPath = PathOf(directory, fqrn, "pub");
        if (!File.Exists(publicPath))
            return (master, certificates);
        using var publicKey = ReadPublicKey(publicPath, ReadText(publicPath));
        if (SamePublicKey(master, publicKey))
            return (master, certificates);
        master.Dispose();
        throw new KeyFileException($"{masterPath} is not the private key of {publicPath}. Put both files of one pair there.");
    }

    /// <summary>Writes the key files, each complete or not at all; secrets get mode 0600. A file that is there with the same content stays.</summary>
    /// <exception cref="KeyFileException">A different key is already there, or a file cannot be written.</exception>
    public void Save(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        List<(string Path, byte[] Content, UnixFileMode Mode)> files =
        [
            (KeyFile(directory, RepositoryName, Pair), Encoding.UTF8.GetBytes(_signingKeyPem), Secret),
            (CertificateFile(directory, RepositoryName, Pair), Certificate.Pem, Open),
            (PathOf(directory, RepositoryName, "pub"), Encoding.UTF8.GetBytes(MasterPublicKeyPem), Open),
        ];
        if (_masterKeyPem is not null) files.Insert(0, (PathOf(directory, RepositoryName, "masterkey"), Encoding.UTF8.GetBytes(_masterKeyPem), Secret));
        try
        {
            Directory.CreateDirectory(directory);
            // All conflicts first, so that a refusal leaves the folder as it was.
            foreach (var (path, content, _) in files) RefuseDifferent(path, content);
            foreach (var (path, content, mode) in files)
            {
                if (!File.Exists(path)) WriteWhole(path, content, mode);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyFileException($"The keys of {RepositoryName} cannot be written to {directory}: {e.Message}", e);
        }
    }

    /// <summary>Reads an RSA public key in PEM form, as clients are configured with.</summary>
    /// <exception cref="KeyFileException">No RSA public key there.</exception>
    public static RSA ReadPublicKeyPem(string pem)
    {
        ArgumentNullException.ThrowIfNull(pem);
        return ReadPublicKey("The given text", pem);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        SigningKey.Dispose();
        MasterKey?.Dispose();
    }

    private static void CheckName(string fqrn)
    {
        if (!Objects.RepositoryName.IsValid(fqrn)) throw new ArgumentException($"'{Excerpt.Of(fqrn)}' is no repository name.", nameof(fqrn));
    }

    private static string Numbered(string extension, int pair) => pair == 1 ? extension : string.Create(CultureInfo.InvariantCulture, $"{extension}.{pair}");

    private static IReadOnlyList<int> Numbers(string directory, string fqrn, string extension)
    {
        CheckName(fqrn);
        ArgumentNullException.ThrowIfNull(directory);
        if (!Directory.Exists(directory))
            return [];
        string first = $"{fqrn}.{extension}";
        // Whatever lies in the place of a key counts: one that cannot be read is to be told of, not taken for none.
        return [.. Directory.EnumerateFileSystemEntries(directory, first + "*").Select(f => Path.GetFileName(f)).Select(Number).Where(n => n > 0).Order()];

        int Number(string name) =>
            name == first ? 1
            : name.StartsWith(first + ".", StringComparison.Ordinal) && int.TryParse(name.AsSpan(first.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int n)
                && n > 1 && name == $"{fqrn}.{Numbered(extension, n)}" ? n : 0;
    }

    private static RepositoryCertificate ReadCertificate(string path, string hint)
    {
        try
        {
            return RepositoryCertificate.Parse(Encoding.UTF8.GetBytes(ReadText(path)));
        }
        catch (CertificateFormatException e)
        {
            throw new KeyFileException($"{path} holds no usable certificate: {e.Message} {hint}", e);
        }
    }

    private static string PathOf(string directory, string fqrn, string extension) => Path.Combine(directory, $"{fqrn}.{extension}");

    private static string ReadText(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > SignedText.LengthMax) throw new KeyFileException($"{path} is far too long for a key file.");
            return File.ReadAllText(path, Encoding.UTF8);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KeyFileException($"{path} is missing. Copy the repository's key files there, or create the repository.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyFileException($"{path} cannot be read by the user \"{Environment.UserName}\": {e.Message} Give the file to that user, mode 0600.", e);
        }
    }

    private static RSA ReadPrivateKey(string path, string pem)
    {
        var key = RSA.Create();
        try
        {
            key.ImportFromPem(pem);
            _ = key.ExportParameters(includePrivateParameters: true);
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new KeyFileException($"{path} holds no unencrypted RSA private key in PEM form. Put the right file there.", e);
        }
    }

    private static RSA ReadPublicKey(string what, string pem)
    {
        var key = RSA.Create();
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new KeyFileException($"{what} holds no RSA public key in PEM form. Use the repository's .pub file.", e);
        }
    }

    private static bool SamePublicKey(RSA a, RSA b) => a.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(b.ExportSubjectPublicKeyInfo());

    private static void RefuseDifferent(string path, byte[] content)
    {
        if (File.Exists(path) && !File.ReadAllBytes(path).AsSpan().SequenceEqual(content))
        {
            throw new KeyFileException($"{path} already holds a different key and is never overwritten. Move it away if it is really to be replaced.");
        }
    }

    private static void WriteWhole(string path, byte[] content, UnixFileMode mode)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = mode;
        try
        {
            using (var file = new FileStream(temporary, options))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: false);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
