using System.Net.Sockets;
using System.Text;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>Tells systemd how far the node is, where it was started by systemd with <c>Type=notify</c>.</summary>
public static class ServiceManager
{
    private const string Variable = "NOTIFY_SOCKET";

    /// <summary>The node is ready.</summary>
    public static void Ready() => Send("READY=1\n");

    /// <summary>The node stops.</summary>
    public static void Stopping() => Send("STOPPING=1\n");

    private static void Send(string state)
    {
        string? path = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(path))
            return;
        try
        {
            // A leading @ stands for the NUL of an abstract socket name.
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path.StartsWith('@') ? "\0" + path[1..] : path));
            socket.Send(Encoding.ASCII.GetBytes(state));
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // Nobody listens; the node works all the same.
        }
    }
}
