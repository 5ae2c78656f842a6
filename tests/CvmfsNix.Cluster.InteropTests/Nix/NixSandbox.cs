using System.Diagnostics;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Nix;

/// <summary>A Nix store of its own in a folder that goes with it: own store, state and log directories, no network, no daemon.</summary>
public sealed class NixSandbox : IDisposable
{
    private readonly string _root;

    /// <summary>A store relocated into a temporary folder.</summary>
    public NixSandbox()
        : this(Directory.CreateTempSubdirectory("cvmfsnix-nix-").FullName, chroot: false)
    {
    }

    private NixSandbox(string root, bool chroot)
    {
        _root = root;
        ChrootFolder = chroot ? root : null;
        StoreDirectory = chroot ? StoreDirectory.Default : StoreDirectory.Parse(root + "/store");
        Dictionary<string, string> environment = new()
        {
            ["NIX_CONF_DIR"] = root + "/etc",
            ["NIX_LOG_DIR"] = root + "/log",
            ["XDG_CACHE_HOME"] = root + "/cache",
            ["NIX_REMOTE"] = chroot ? $"local?root={root}" : "",
            ["NIX_CONFIG"] = "sandbox = false\nbuild-users-group =\nsubstituters =",
        };
        if (!chroot)
        {
            environment["NIX_STORE_DIR"] = StoreDirectory.Value;
            environment["NIX_STATE_DIR"] = root + "/var";
        }

        Environment = environment;
    }

    /// <summary>Null where real Nix can be used, else the reason why not.</summary>
    public static string? Missing =>
        (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(static folder => File.Exists(Path.Combine(folder, "nix-store")))
            ? null
            : "nix-store is not installed (apt-get install nix-bin)";

    public StoreDirectory StoreDirectory { get; }

    /// <summary>Below this folder lies the store of <see cref="Chroot"/>; null for relocated stores.</summary>
    public string? ChrootFolder { get; }

    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>The default store directory below a temporary folder. Nothing can be built there, but paths can be added.</summary>
    public static NixSandbox Chroot() => new(Directory.CreateTempSubdirectory("cvmfsnix-chroot-").FullName, chroot: true);

    /// <summary>A store relocated to <c>FOLDER/store</c>; the folder is made, and removed at the end.</summary>
    /// <exception cref="IOException">The folder is there already.</exception>
    public static NixSandbox At(string folder)
    {
        if (Directory.Exists(folder))
            throw new IOException($"{folder} exists.");
        return new NixSandbox(Directory.CreateDirectory(folder).FullName, chroot: false);
    }

    /// <summary>Where a path lies on disk.</summary>
    public string DiskPath(StorePathName path) => ChrootFolder + StoreDirectory.FullPath(path);

    /// <summary>Builds an expression of the test data; the base name of its output.</summary>
    public async Task<StorePathName> BuildAsync(string expression, params string[] arguments)
    {
        string text = System.Text.Encoding.UTF8.GetString(await RunAsync("nix-build", [TestData.Path("nix/" + expression), "--no-out-link", .. arguments]));
        return StoreDirectory.ParsePath(text.Trim());
    }

    /// <summary>Runs a program with the environment of this store; what it printed on stdout.</summary>
    public async Task<byte[]> RunAsync(string program, params string[] arguments)
    {
        ProgramRun run = await ProgramRun.RunAsync(program, arguments, Environment, TestContext.Current.CancellationToken);
        return run.Succeeded().Bytes;
    }

    public async Task<string[]> LinesAsync(string program, params string[] arguments) =>
        System.Text.Encoding.ASCII.GetString(await RunAsync(program, arguments)).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public void Dispose()
    {
        // Store paths are read-only and may have names that are not UTF-8, which .NET cannot delete.
        foreach (string[] command in (string[][])[["chmod", "-R", "u+w", _root], ["rm", "-rf", _root]])
        {
            using Process process = Process.Start(command[0], command[1..]);
            process.WaitForExit();
        }
    }
}
