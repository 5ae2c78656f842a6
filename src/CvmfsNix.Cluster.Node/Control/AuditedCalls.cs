using System.Collections.Frozen;
using CvmfsNix.Cluster.Contracts.Publishing;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace CvmfsNix.Cluster.Node.Control;

/// <summary>
/// Calls of <c>cvmfsnix</c> that change how a repository or the cluster is run: they are in the audit log as commands of the shell are. Publishing is not among
/// them, it has its own record in the journal; nor are pins, which builders set with every publish.
/// </summary>
internal static class AuditedCalls
{
    private static readonly FrozenDictionary<string, string> Names = new Dictionary<string, string>
    {
        ["CreateRepository"] = "repo create",
        ["SetTag"] = "tag set",
        ["RemoveTag"] = "tag remove",
        ["SetRetention"] = "repo retention set",
        ["RunRemoval"] = "gc",
        ["Withdraw"] = "withdraw",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>What an operator would say to have this done; null for a call that is not written down.</summary>
    public static string? CommandOf(string method, object request) =>
        request is ChangeReplicaRequest change ? "replica " + change.Action.ToString()["Replica".Length..].ToLowerInvariant() : Names.GetValueOrDefault(method);

    /// <summary>The fields of a message that say something, by name.</summary>
    public static IReadOnlyDictionary<string, string> ArgumentsOf(IMessage request)
    {
        var arguments = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (FieldDescriptor field in request.Descriptor.Fields.InFieldNumberOrder())
        {
            string text = field.Accessor.GetValue(request)?.ToString() ?? "";
            if (text.Length > 0 && text != "[ ]" && text != "0" && text != "False")
                arguments[field.JsonName] = text;
        }

        return arguments;
    }
}
