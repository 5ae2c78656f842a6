using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Management;

/// <summary>
/// Who may look at the management port. Whether a node is alive and ready, and the nodes to join through, are told to everybody: probes have no
/// credentials. Everything else asks for the scope read where the node asks for credentials and the port can be reached from other machines,
/// unless it was opened for looking. A mirror knows the tokens of its token file; it takes no changes.
/// </summary>
public sealed class ManagementAccess(NodeOptions options)
{
    /// <summary>What is told to whoever shows no good credential; browsers ask for a password then, which is the token.</summary>
    public const string Challenge = "Basic realm=\"cvmfsnix\"";

    private readonly bool _open = options.Ports.Management.IsLoopback || options.Access.ManagementOpen;

    /// <summary>Why a request may not look; null = it may. Changes are asked for more where they are made.</summary>
    public NodeError? Refusal(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return _open || context.Request.Path.Value is "/alive" or "/ready" or "/bootstrap/seed-nodes"
            ? null
            : AccessControl.CallerOf(context).Refusal(new Need(NeedKind.Read));
    }
}
