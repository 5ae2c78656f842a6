using CvmfsNix.Cluster.InteropTests.Nix;
using CvmfsNix.Cluster.Nix.StorePaths;
using CvmfsNix.Cluster.TestKit;
using CvmfsNix.Cluster.TestKit.Processes;
using Xunit;

namespace CvmfsNix.Cluster.InteropTests.Running;

/// <summary>
/// A program built by real Nix for <c>/nix/store</c>, below another root: a script whose interpreter, and the loader of that, lie in the store. The built
/// <c>cvmfsnix</c> beside it, where any user can run it.
/// </summary>
public sealed class ProgramClosure : IAsyncLifetime
{
    private const string Nobody = "65534";

    private NixSandbox? _nix;

    /// <summary>Null where the program was built, else why that cannot be done here.</summary>
    public string? Missing { get; private set; }

    /// <summary>The folder above <c>nix/store</c>.</summary>
    public string Folder => _nix!.ChrootFolder!;

    /// <summary>The Nix that built it.</summary>
    internal NixSandbox Nix => _nix!;

    /// <summary>The script, as it is called inside.</summary>
    public string App { get; private set; } = "";

    /// <summary>Paths that the program's path refers to with all they refer to, and itself.</summary>
    internal StorePathName[] Closure { get; private set; } = [];

    private string Cli => Folder + "/cli/cvmfsnix";

    public async ValueTask InitializeAsync()
    {
        Missing = NixSandbox.Missing;
        if (Missing is not null)
            return;
        _nix = NixSandbox.Chroot();
        StorePathName path;
        try
        {
            path = await _nix.BuildAsync(
                "program.nix", "--option", "sandbox", "true", "--option", "sandbox-paths", "/bin /usr /lib /lib64 /dev/null /dev/zero");
        }
        catch (InvalidOperationException e)
        {
            Missing = $"Nix cannot build in a store below another root here: {e.Message}";
            return;
        }

        App = $"/nix/store/{path}/bin/app";
        Closure = [.. (await _nix.LinesAsync("nix-store", "-qR", $"/nix/store/{path}")).Select(_nix.StoreDirectory.ParsePath)];

        // Temporary folders are private; the ordinary user of the tests is another one.
        string home = Directory.CreateDirectory(Folder + "/home").FullName;
        foreach (string[] command in (string[][])[
            ["cp", "-r", Path.GetDirectoryName(BuiltProgram.Cli)!, Folder + "/cli"],
            ["chmod", "-R", "a+rX", Folder + "/cli"],
            ["chmod", "a+rx", Folder],
            ["chmod", "a+rwx", home]])
            (await ProgramRun.RunAsync(command[0], command[1..], cancellationToken: TestContext.Current.CancellationToken)).Succeeded();
    }

    public ValueTask DisposeAsync()
    {
        _nix?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs <c>cvmfsnix ARGUMENTS</c> as an ordinary user on a machine without <c>/nix</c>.</summary>
    public Task<ProgramRun> AsUserWithoutNixAsync(params string[] arguments) =>
        RunAsync(["--mount"], ["sh", TestData.Path("without-nix.sh"), .. AsUser, Cli, .. arguments]);

    /// <summary>Runs <c>cvmfsnix ARGUMENTS</c> where no user may make a user namespace, and without the right to mount.</summary>
    public Task<ProgramRun> WhereNamespacesAreForbiddenAsync(params string[] arguments) => RunAsync(
        ["--user", "--map-root-user"],
        ["sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all -- \"$@\"", "sh", Cli, .. arguments]);

    private static string[] AsUser => Environment.IsPrivilegedProcess ? ["setpriv", "--reuid", Nobody, "--regid", Nobody, "--clear-groups", "--"] : [];

    private Task<ProgramRun> RunAsync(string[] namespaces, string[] command)
    {
        Assert.SkipUnless(Missing is null, Missing ?? "");
        string[] user = Environment.IsPrivilegedProcess || namespaces.Contains("--user") ? [] : ["--user", "--map-root-user"];
        return ProgramRun.RunAsync(
            "unshare",
            [.. user, .. namespaces, "--", .. command],
            new Dictionary<string, string>
            {
                ["HOME"] = Folder + "/home",
                ["XDG_CACHE_HOME"] = Folder + "/home/cache",
                ["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")),
                ["DOTNET_BUNDLE_EXTRACT_BASE_DIR"] = Folder + "/home",
                ["GREETING"] = "from outside",
            },
            TestContext.Current.CancellationToken);
    }
}
