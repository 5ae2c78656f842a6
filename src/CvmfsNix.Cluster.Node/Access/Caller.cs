using CvmfsNix.Cluster.Node.Errors;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Who a request comes from, as far as its credential tells, and what that allows.</summary>
public sealed record Caller
{
    private Caller(string name) => Name = name;

    /// <summary>Nobody was asked for a credential: everything is allowed.</summary>
    public static Caller Anybody { get; } = new("anybody") { Scopes = [new Scope(ScopeKind.Admin)] };

    /// <summary>The request carries no credential.</summary>
    public static Caller None { get; } = new("nobody")
    {
        Problem = new NodeError(
            NodeCodes.Unauthorized, "This node asks for a token, and the request has none.", "authorization", "Give one with --token-file or CVMFSNIX_TOKEN; over HTTP as Authorization: Bearer TOKEN, or as the password of Basic."),
    };

    /// <summary>Name of the credential, for the audit log; no secret.</summary>
    public string Name { get; }

    /// <summary>What it allows.</summary>
    public IReadOnlyList<Scope> Scopes { get; private init; } = [];

    /// <summary>The only replica it is good for; null = any.</summary>
    public string? Replica { get; private init; }

    /// <summary>Id of the stored token; null = it is none.</summary>
    public string? TokenId { get; private init; }

    /// <summary>From then on it is good for nothing; null = never.</summary>
    public DateTimeOffset? ExpiresAt { get; private init; }

    /// <summary>Why the credential is not good; null = it is.</summary>
    public NodeError? Problem { get; private init; }

    /// <summary>A good credential.</summary>
    public static Caller Of(string name, IReadOnlyList<Scope> scopes, string? replica = null, string? tokenId = null, DateTimeOffset? expiresAt = null) =>
        new(name) { Scopes = scopes, Replica = replica, TokenId = tokenId, ExpiresAt = expiresAt };

    /// <summary>A credential that is not good.</summary>
    public static Caller Rejected(NodeError problem) => new("somebody") { Problem = problem };

    /// <summary>A credential that is not known here. Nothing of it is repeated.</summary>
    public static Caller Unknown() => Rejected(new NodeError(
        NodeCodes.Unauthorized, "This node asks for a token, and does not know the one it was given.", "authorization", "Look whether it is whole and of this cluster; an administrator makes one with cvmfsnix token create."));

    /// <summary>Whether an operation is allowed.</summary>
    public bool Allows(Need need) => Refusal(need) is null;

    /// <summary>Why an operation is not allowed; null = it is.</summary>
    public NodeError? Refusal(Need need)
    {
        if (need.Kind == NeedKind.Nothing)
            return null;
        if (Problem is not null)
            return Problem;
        return need.IsMetBy(Scopes)
            ? null
            : new NodeError(
                NodeCodes.Forbidden,
                $"The credential does not allow this: it needs the scope {need}, and has {(Scopes.Count > 0 ? string.Join(' ', Scopes) : "none")}.",
                "authorization",
                Replica is null ? "Use a token with that scope; cvmfsnix token create makes one." : "It is a replica's and opens that replica's stream and nothing else; use another one.");
    }

    /// <summary>Lets the caller pass.</summary>
    /// <exception cref="NodeException">Unauthorized, Forbidden, or TokensUnavailable.</exception>
    public void Require(Need need)
    {
        if (Refusal(need) is { } refusal)
            throw new NodeException(refusal);
    }
}
