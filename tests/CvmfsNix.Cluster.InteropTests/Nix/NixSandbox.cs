using System.Diagnostics;
using CvmfsNix.Cluster.Nix.StorePaths;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Nix;

/// <summary>A relocated Nix store in a temporary folder: own store, state and log directories, no network, no daemon.</summary>
public sealed class NixSandbox : IDisposable
{
    private readonly string _root;

    public NixSandbox()
    {
        _root = Directory.CreateTempSubdirectory("cvmfsnix-nix-").FullName;
        StoreDirectory = StoreDirectory.Parse(_root + "/store");
        Environment = new Dictionary<string, string>
        {
            ["NIX_STORE_DIR"] = StoreDirectory.Value,
            ["NIX_STATE_DIR"] = _root + "/var",
            ["NIX_LOG_DIR"] = _root + "/log",
            ["NIX_CONF_DIR"] = _root + "/etc",
            ["XDG_CACHE_HOME"] = _root + "/cache",
            ["NIX_REMOTE"] = "",
            ["NIX_CONFIG"] = "experimental-features = nix-command\nsandbox = false\nbuild-users-group =\nsubstituters =",
        };
    }

    /// <summary>Null where real Nix can be used, else the reason why not.</summary>
    public static string? Missing =>
        (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(static folder => File.Exists(Path.Combine(folder, "nix-store")))
            ? null
            : "nix-store is not installed (apt-get install nix-bin)";

    public StoreDirectory StoreDirectory { get; }

    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>Builds an expression of the test data; the base name of its output.</summary>
    public async Task<StorePathName> BuildAsync(string expression, params string[] arguments)
    {
        string text = System.Text.Encoding.UTF8.GetString(await RunAsync("nix-build", [TestDataFile(expression), "--no-out-link", .. arguments]));
        return StoreDirectory.ParsePath(text.Trim());
    }

    /// <summary>Runs a program with the environment of this store; what it printed on stdout.</summary>
    public async Task<byte[]> RunAsync(string program, params string[] arguments)
    {
        CancellationToken cancellationToken = TestContext.Current.CancellationToken;
        ProcessStartInfo start = new(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        using MemoryStream output = new();
        await process.StandardOutput.BaseStream.CopyToAsync(output, cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {await errors}");
        return output.ToArray();
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

    private static string TestDataFile(string name)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string file = Path.Combine(folder.FullName, "tests", "testdata", "nix", name);
            if (File.Exists(file))
                return file;
        }

        throw new FileNotFoundException($"tests/testdata/nix/{name} is not above {AppContext.BaseDirectory}.");
    }
}
