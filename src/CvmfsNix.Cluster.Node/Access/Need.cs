namespace CvmfsNix.Cluster.Node.Access;

/// <summary>What an operation asks of whoever wants it.</summary>
public enum NeedKind
{
    /// <summary>Nothing: public.</summary>
    Nothing,

    /// <summary>Any good credential; what else is asked is known later.</summary>
    Credential,

    /// <summary>To look at everything.</summary>
    Read,

    /// <summary>To look at one repository, which whoever publishes to it may.</summary>
    ReadRepository,

    /// <summary>To publish to a repository.</summary>
    Publish,

    /// <summary>To follow a repository.</summary>
    Replicate,

    /// <summary>To change how the cluster runs.</summary>
    Operate,

    /// <summary>To change what there is, or to take something away for good.</summary>
    Admin,
}

/// <summary>What an operation asks of whoever wants it.</summary>
/// <param name="Kind">What.</param>
/// <param name="Repository">The repository it is about; empty when it is about none.</param>
public readonly record struct Need(NeedKind Kind, string Repository = "")
{
    private const int ShownMax = 80;

    /// <summary>Whether one of a credential's scopes is enough.</summary>
    public bool IsMetBy(IReadOnlyList<Scope> scopes)
    {
        ArgumentNullException.ThrowIfNull(scopes);
        foreach (Scope scope in scopes)
        {
            if (IsMetBy(scope))
                return true;
        }

        return Kind is NeedKind.Nothing or NeedKind.Credential;
    }

    /// <summary>The least scope that is enough.</summary>
    public override string ToString() => Kind switch
    {
        NeedKind.Publish => "publish:" + Shown,
        NeedKind.Replicate => "replicate:" + Shown,
        NeedKind.Operate => "operate",
        NeedKind.Admin => "admin",
        NeedKind.ReadRepository when Repository.Length > 0 => $"read or publish:{Shown}",
        _ => "read",
    };

    private string Shown => Repository.Length <= ShownMax ? Repository : Repository[..ShownMax];

    private bool IsMetBy(Scope scope) => scope.Kind switch
    {
        ScopeKind.Admin => true,
        ScopeKind.Operate => Kind is NeedKind.Operate or NeedKind.Read or NeedKind.ReadRepository,
        ScopeKind.Read => Kind is NeedKind.Read or NeedKind.ReadRepository,
        ScopeKind.Publish => Kind is NeedKind.Publish or NeedKind.ReadRepository && Covers(scope),
        _ => Kind is NeedKind.Replicate && Covers(scope),
    };

    private bool Covers(Scope scope) => Repository.Length > 0 && (scope.Repository == Scope.Any || scope.Repository == Repository);
}
