using CvmfsNix.Cluster.Node.Access;
using CvmfsNix.Cluster.Node.Errors;

namespace CvmfsNix.Cluster.Node.Admin;

/// <summary>Decides whether a caller may do something. The one place where operators' commands meet credentials.</summary>
public interface IAdminAccess
{
    /// <summary>Lets a caller pass.</summary>
    /// <param name="caller">Who asks.</param>
    /// <param name="scope">What is needed.</param>
    /// <returns>Name of the credential, for the audit log.</returns>
    /// <exception cref="NodeException">Unauthorized or Forbidden.</exception>
    string Admit(Caller caller, AdminScope scope);
}

/// <summary>A command asks for the scope of its name.</summary>
public sealed class ScopedAdminAccess : IAdminAccess
{
    /// <inheritdoc/>
    public string Admit(Caller caller, AdminScope scope)
    {
        ArgumentNullException.ThrowIfNull(caller);
        caller.Require(new Need(scope switch
        {
            AdminScope.Read => NeedKind.Read,
            AdminScope.Operate => NeedKind.Operate,
            _ => NeedKind.Admin,
        }));
        return caller.Name;
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
