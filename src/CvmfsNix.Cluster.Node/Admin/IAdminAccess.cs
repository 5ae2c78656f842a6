using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Decides whether a caller may do something. The one place where operators' commands meet credentials.</summary>
public interface IAdminAccess
{
    /// <summary>Lets a caller pass.</summary>
    /// <param name="authorization">Value of the <c>Authorization</c> header; null = none.</param>
    /// <param name="scope">What is needed.</param>
    /// <returns>Name of the credential, for the audit log.</returns>
    /// <exception cref="NodeException">Unauthorized or Forbidden.</exception>
    string Admit(string? authorization, AdminScope scope);
}

/// <summary>Every token that opens the whole node is an administrator's.</summary>
public sealed class TokenAdminAccess(AccessTokens tokens) : IAdminAccess
{
    public string Admit(string? authorization, AdminScope scope)
    {
        if (!tokens.Required)
            return "anybody";
        if (!tokens.Knows(authorization))
            throw new NodeException(new NodeError(NodeCodes.Unauthorized, "This node asks for a token, and the call has none it knows.", "authorization", "Give one of the node's tokens with --token-file."));
        if (!tokens.Admits(authorization))
            throw new NodeException(new NodeError(NodeCodes.Forbidden, $"The token does not allow what needs the scope {AdminScopes.NameOf(scope)}.", "authorization", "Give a token that is bound to no replica."));
        return "token";
    }
}

/// <summary>Names of scopes.</summary>
public static class AdminScopes
{
    public static string NameOf(AdminScope scope) => scope switch
    {
        AdminScope.Read => "read",
        AdminScope.Operate => "operate",
        _ => "admin",
    };
}
