using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.FaultTests.Closures;

/// <summary>
/// A store made up from a seed: ROOT/nix/store holds the paths, ROOT/registration says of each what Nix would. Names are
/// those of input-addressed paths, so that a second store made with the same names may hold other contents (a build that is
/// not reproducible).
/// </summary>
internal sealed class SyntheticStore
{
    private const UnixFileMode Executable =
        UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly List<PathInfo> _paths = [];
    private readonly Dictionary<StorePathName, PathInfo> _byName = [];

    public SyntheticStore(string root)
    {
        Root = root;
        Directory.CreateDirectory(root + StoreDirectory.Default.Value);
    }

    /// <summary>What <c>--store-root</c> takes.</summary>
    public string Root { get; }

    /// <summary>What <c>--registration</c> takes; written by <see cref="Register"/>.</summary>
    public string RegistrationFile => Path.Combine(Root, "registration");

    /// <summary>All paths, references first.</summary>
    public IReadOnlyList<PathInfo> Paths => _paths;

    public PathInfo this[StorePathName name] => _byName[name];

    /// <summary>Arguments of a publish from this store.</summary>
    public IReadOnlyList<string> Arguments => ["--store-root", Root, "--registration", RegistrationFile];

    public static string FullPath(StorePathName name) => StoreDirectory.Default.FullPath(name);

    /// <summary>Makes a path: a folder with some files and a link to each reference, or (every seventh) a single file.</summary>
    /// <param name="identity">Decides the name.</param>
    /// <param name="content">Decides the contents; normally the identity again.</param>
    /// <param name="references">Paths of this store.</param>
    /// <param name="files">Files in a folder.</param>
    /// <param name="fileBytesMax">Size of the largest file.</param>
    public async Task<PathInfo> AddAsync(
        string identity, string content, IReadOnlyList<StorePathName> references, int files, int fileBytesMax, CancellationToken cancellationToken)
    {
        byte[] nameHash = SHA256.HashData(Encoding.UTF8.GetBytes("name " + identity));
        StorePathName name = StorePathName.Create(nameHash.AsSpan(0, StorePathName.HashSize), $"made-{nameHash[31]:x2}");
        var random = new Random(BitConverter.ToInt32(SHA256.HashData(Encoding.UTF8.GetBytes("content " + content))));
        string disk = Root + FullPath(name);
        if (references.Count == 0 && random.Next(7) == 0)
            File.WriteAllText(disk, Text(random, fileBytesMax));
        else
            MakeFolder(disk, random, references, files, fileBytesMax);

        (NarHash hash, long size) = await NarFromDisk.HashAsync(disk, cancellationToken);
        var info = new PathInfo { Path = name, NarHash = hash, NarSize = size, References = [.. references.Order()] };
        _paths.Add(info);
        _byName.Add(name, info);
        return info;
    }

    /// <summary>Makes a path that is one small file; all have the same content.</summary>
    public async Task<PathInfo> AddTinyAsync(string identity, CancellationToken cancellationToken)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes("tiny " + identity));
        StorePathName name = StorePathName.Create(hash.AsSpan(0, StorePathName.HashSize), $"tiny-{hash[31]:x2}");
        string disk = Root + FullPath(name);
        await File.WriteAllTextAsync(disk, "tiny\n", cancellationToken);
        (NarHash nar, long size) = await NarFromDisk.HashAsync(disk, cancellationToken);
        var info = new PathInfo { Path = name, NarHash = nar, NarSize = size, References = [] };
        _paths.Add(info);
        _byName.Add(name, info);
        return info;
    }

    /// <summary>Makes a path of so many files that do not shrink, all of one size.</summary>
    public async Task<PathInfo> AddNoiseAsync(string identity, int files, int fileBytes, CancellationToken cancellationToken)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes("noise " + identity));
        StorePathName name = StorePathName.Create(hash.AsSpan(0, StorePathName.HashSize), $"noise-{hash[31]:x2}");
        var random = new Random(BitConverter.ToInt32(hash));
        string disk = Root + FullPath(name);
        var bytes = new byte[fileBytes];
        for (int i = 0; i < files; i++)
        {
            Directory.CreateDirectory(Path.Combine(disk, $"part-{i / 100:00}"));
            random.NextBytes(bytes);
            await File.WriteAllBytesAsync(Path.Combine(disk, $"part-{i / 100:00}", $"file-{i:00000}"), bytes, cancellationToken);
        }

        (NarHash nar, long size) = await NarFromDisk.HashAsync(disk, cancellationToken);
        var info = new PathInfo { Path = name, NarHash = nar, NarSize = size, References = [] };
        _paths.Add(info);
        _byName.Add(name, info);
        return info;
    }

    /// <summary>Writes the registration of everything made so far.</summary>
    public void Register()
    {
        using var writer = new StreamWriter(RegistrationFile);
        Registration.Write(writer, StoreDirectory.Default, _paths);
    }

    /// <summary>A path and everything below it.</summary>
    public IReadOnlyList<PathInfo> Closure(IEnumerable<StorePathName> roots)
    {
        var found = new HashSet<StorePathName>();
        var open = new Stack<StorePathName>(roots);
        while (open.TryPop(out StorePathName name))
        {
            if (!found.Add(name))
                continue;
            foreach (StorePathName reference in _byName[name].References)
                open.Push(reference);
        }

        return [.. found.Select(n => _byName[n])];
    }

    private static void MakeFolder(string disk, Random random, IReadOnlyList<StorePathName> references, int files, int fileBytesMax)
    {
        Directory.CreateDirectory(Path.Combine(disk, "share", "empty"));
        for (int i = 0; i < files; i++)
        {
            string file = Path.Combine(disk, i % 3 == 0 ? "share" : "", $"file-{i:000}");
            if (random.Next(5) == 0)
                File.WriteAllBytes(file, Noise(random, fileBytesMax));
            else
                File.WriteAllText(file, Text(random, fileBytesMax));
            if (random.Next(4) == 0)
                File.SetUnixFileMode(file, Executable);
        }

        for (int i = 0; i < references.Count; i++)
            File.CreateSymbolicLink(Path.Combine(disk, $"needs-{i}"), FullPath(references[i]));
    }

    private static byte[] Noise(Random random, int bytesMax)
    {
        var bytes = new byte[random.Next(bytesMax)];
        random.NextBytes(bytes);
        return bytes;
    }

    private static string Text(Random random, int bytesMax)
    {
        var text = new StringBuilder();
        for (int left = random.Next(bytesMax); left > 0; left -= 20)
            text.Append("line ").Append(random.Next()).Append('\n');
        return text.ToString();
    }
}
