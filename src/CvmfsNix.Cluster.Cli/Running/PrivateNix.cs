using System.Diagnostics;
using System.Reflection;
using CvmfsNix.Cluster.Cli.Output;

namespace CvmfsNix.Cluster.Cli.Running;

/// <summary>How a process gets a <c>/nix</c> of its own.</summary>
internal enum PrivateNixWay
{
    /// <summary>A mount namespace made with the rights root has.</summary>
    MountNamespace,

    /// <summary>A mount namespace inside a user namespace, which needs no rights.</summary>
    UserNamespace,

    /// <summary><c>proot</c> rewrites the paths in every system call; slower, needs nothing of the kernel but ptrace.</summary>
    Proot,
}

/// <summary>
/// The command line that makes <c>/nix</c> and then becomes the program. The namespaces are made by <c>unshare</c> and a shell script: the
/// kernel gives no user namespace to a process of several threads, which a .NET process always is, and what a copy of one made by
/// <c>fork</c> may safely do is almost nothing.
/// </summary>
/// <param name="Way">How.</param>
/// <param name="File">The program to start, absolute.</param>
/// <param name="Arguments">Its arguments without its own name; the program to run with its arguments follows them.</param>
internal sealed record PrivateNix(PrivateNixWay Way, string File, IReadOnlyList<string> Arguments)
{
    private const string ScriptResource = "private-nix.sh";

    /// <summary>The script that mounts.</summary>
    public static string Script { get; } = ReadScript();

    /// <summary>The command of a way.</summary>
    /// <param name="way">How.</param>
    /// <param name="file">Where its program is.</param>
    /// <param name="tree">What becomes <c>/nix</c>.</param>
    /// <param name="identity">User and group to be inside, in numbers; null = what the namespace makes of them.</param>
    /// <param name="privateState">A folder that becomes <c>/nix/var</c> under <c>proot</c>, or any text for the other ways, where Nix is to have state of its own; else null.</param>
    public static PrivateNix Of(PrivateNixWay way, string file, NixTree tree, (string User, string Group)? identity, string? privateState)
    {
        if (way == PrivateNixWay.Proot)
        {
            return new PrivateNix(way, file, privateState is null
                ? ["-b", tree.Folder + ":/nix"]
                : ["-b", tree.Folder + "/store:/nix/store", "-b", privateState + ":/nix/var"]);
        }

        // Slave: what autofs mounts below /cvmfs later on shows here, too.
        string[] flags = way == PrivateNixWay.UserNamespace
            ? ["--user", "--map-root-user", "--mount", "--propagation", "slave"]
            : ["--mount", "--propagation", "slave"];
        return new PrivateNix(way, file, [
            .. flags, "/bin/sh", "-c", Script, "cvmfsnix", tree.Folder, privateState is null ? "" : "store",
            .. way == PrivateNixWay.UserNamespace && identity is { } id ? (string[])[id.User, id.Group] : ["", ""]]);
    }

    /// <summary>
    /// Tries whether this machine lets an ordinary process do what the script does.
    /// </summary>
    /// <returns>Null where it does, else what the system said.</returns>
    public static async Task<string?> TryAsync(PrivateNixWay way, string file, (string User, string Group)? identity, CancellationToken cancellationToken)
    {
        if (way == PrivateNixWay.Proot)
            return await RunAsync(file, ["/bin/sh", "-c", ":"], cancellationToken);
        string[] flags = way == PrivateNixWay.UserNamespace ? ["--user", "--map-root-user", "--mount"] : ["--mount"];
        string back = way == PrivateNixWay.UserNamespace && identity is { } id ? $" && exec \"$1\" --user --map-user={id.User} --map-group={id.Group} -- /bin/sh -c :" : "";
        return await RunAsync(file, [.. flags, "/bin/sh", "-c", $"PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; for d in /tmp /mnt /srv /opt; do [ ! -d $d ] || break; done; mount -t tmpfs cvmfsnix $d{back}", "cvmfsnix", file], cancellationToken);
    }

    private static async Task<string?> RunAsync(string file, string[] arguments, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(file) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        try
        {
            using Process process = Process.Start(start) ?? throw new InvalidOperationException();
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            string errors = await process.StandardError.ReadToEndAsync(cancellationToken);
            await output;
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? null : errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? $"{Path.GetFileName(file)} ended with {process.ExitCode}";
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return $"{file} cannot be run: {e.Message}";
        }
    }

    private static string ReadScript()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(ScriptResource)
            ?? throw new CliException("InternalError", "A script is missing from the program.", ScriptResource, "install the program anew", CommandLine.ExitCode.Unknown);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
