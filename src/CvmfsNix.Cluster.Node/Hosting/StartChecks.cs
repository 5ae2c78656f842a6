using System.Net;
using System.Net.Sockets;
using CvmfsNix.Cluster.Cvmfs.Trust;
using CvmfsNix.Cluster.Node.Options;
using CvmfsNix.Cluster.Store.Keys;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>
/// What can be known to be wrong before anything is started: addresses that others hold and keys that cannot be used. All of it is told at
/// once, each in a sentence that names the switch or file, instead of one failure a start from deep within.
/// </summary>
public static class StartChecks
{
    /// <summary>Everything that keeps this node from starting; empty when nothing does.</summary>
    /// <param name="options">Checked options.</param>
    /// <param name="repositories">Folder of the repositories' folders.</param>
    public static IReadOnlyList<string> Problems(NodeOptions options, string repositories)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(repositories);
        return options.Mirror is { } mirror
            ? [.. Ports(options.Ports, remoting: false, control: mirror.ControlPort)]
            : [.. Ports(options.Ports, remoting: true, control: true), .. Keys(options.Folders.Keys, repositories)];
    }

    private static IEnumerable<string> Ports(PortOptions ports, bool remoting, bool control)
    {
        foreach ((NodeSwitch setting, BindAddress address) in ((NodeSwitch, BindAddress)[])
            [(NodeSwitches.Http, ports.Http), (NodeSwitches.Grpc, ports.Grpc), (NodeSwitches.Management, ports.Management), (NodeSwitches.Remoting, ports.Remoting)])
        {
            if ((setting == NodeSwitches.Remoting && !remoting) || (setting == NodeSwitches.Grpc && !control))
                continue;
            if (PortProblem(address) is { } problem)
                yield return $"--{setting.Name} {address}: {problem}";
        }
    }

    // Without the option to share: two remoting stacks that share one port would each get a part of the other's messages.
    private static string? PortProblem(BindAddress address)
    {
        try
        {
            IPEndPoint endPoint = address.Resolve();
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(endPoint);
            socket.Listen(1);
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => "the port is in use by another process; stop that one, or give another port.",
                SocketError.AddressNotAvailable => "this machine has no such address; give one of its own, or 0.0.0.0 for all.",
                SocketError.AccessDenied => "this user may not open the port; give one above 1023.",
                SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "the host name cannot be looked up; give an address.",
                _ => $"it cannot be opened: {e.Message}.",
            };
        }
    }

    // Keys that are not here are no mistake: the node then says that it is not ready, and why. Keys that are here and useless are.
    private static IEnumerable<string> Keys(string keys, string repositories)
    {
        if (!Directory.Exists(repositories))
            yield break;
        var folder = new KeyFolder(keys);
        foreach (string repository in Directory.EnumerateDirectories(repositories).Select(d => Path.GetFileName(d)!).Where(Cvmfs.Objects.RepositoryName.IsValid).Order(StringComparer.Ordinal))
        {
            if (KeyProblem(folder, repository) is { } problem)
                yield return problem;
        }
    }

    private static string? KeyProblem(KeyFolder folder, string repository)
    {
        try
        {
            folder.TryLoad(repository)?.Cvmfs.Dispose();
            return null;
        }
        catch (KeyFileException e)
        {
            return e.Message;
        }
    }
}
