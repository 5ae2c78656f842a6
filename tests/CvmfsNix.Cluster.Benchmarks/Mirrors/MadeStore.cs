using System.Security.Cryptography;
using System.Text;
using CvmfsNix.Cluster.Nix.Archives;
using CvmfsNix.Cluster.Nix.Hashing;
using CvmfsNix.Cluster.Nix.PathInfos;
using CvmfsNix.Cluster.Nix.StorePaths;

namespace CvmfsNix.Cluster.Benchmarks.Mirrors;

/// <summary>Store paths on disk, made up, of files that do not shrink, with the registration that a publish needs.</summary>
internal sealed class MadeStore
{
    private readonly List<PathInfo> _paths = [];

    public MadeStore(string root)
    {
        Root = root;
        Directory.CreateDirectory(root + StoreDirectory.Default.Value);
    }

    public string Root { get; }

    public IReadOnlyList<PathInfo> Paths => _paths;

    /// <summary>Switches of a publish from here.</summary>
    public IReadOnlyList<string> Arguments => ["--store-root", Root, "--registration", Path.Combine(Root, "registration")];

    /// <summary>Makes a path of so many files of one size, in folders of at most 500.</summary>
    public async Task<string> AddAsync(string identity, int files, int fileBytes, CancellationToken cancellationToken)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(identity));
        StorePathName name = StorePathName.Create(hash.AsSpan(0, StorePathName.HashSize), "made");
        var random = new Random(BitConverter.ToInt32(hash));
        string full = StoreDirectory.Default.FullPath(name);
        var bytes = new byte[fileBytes];
        for (int i = 0; i < files; i++)
        {
            string folder = $"{Root}{full}/part{i / 500}";
            Directory.CreateDirectory(folder);
            random.NextBytes(bytes);
            await File.WriteAllBytesAsync($"{folder}/file{i}", bytes, cancellationToken);
        }

        (NarHash nar, long size) = await NarFromDisk.HashAsync(Root + full, cancellationToken);
        _paths.Add(new PathInfo { Path = name, NarHash = nar, NarSize = size, References = [] });
        return full;
    }

    /// <summary>Writes the registration of everything made so far.</summary>
    public void Register()
    {
        using var writer = new StreamWriter(Path.Combine(Root, "registration"));
        Registration.Write(writer, StoreDirectory.Default, _paths);
    }
}
