using Microsoft.AspNetCore.Http;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Finds out who asks. What that allows, <see cref="Caller"/> knows.</summary>
/// <param name="required">Whether a credential is asked for at all.</param>
/// <param name="file">Tokens of the token file and the one in the key folder.</param>
/// <param name="stored">Tokens in the journal's database; null where there is none.</param>
/// <param name="outside">Tokens of an identity provider; null where none is trusted.</param>
public sealed class AccessControl(bool required, AccessTokens file, StoredTokens? stored = null, IOutsideTokens? outside = null)
{
    /// <summary>Whether a credential is asked for.</summary>
    public bool Required => required;

    /// <summary>Who a request comes from; whoever it is where nobody is asked.</summary>
    public static Caller CallerOf(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<Identity>()?.Caller ?? Caller.None;
    }

    /// <summary>The credential of a request, also where none is asked for.</summary>
    public static Caller CredentialOf(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<Identity>()?.Credential ?? Caller.None;
    }

    /// <summary>Finds out who a request comes from and remembers it there.</summary>
    public async ValueTask<Caller> IdentifyAsync(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        Caller credential = await CredentialAsync(context);
        var identity = new Identity(required ? credential : Caller.Anybody, credential);
        context.Features.Set(identity);
        return identity.Caller;
    }

    private async ValueTask<Caller> CredentialAsync(HttpContext context)
    {
        string? authorization = context.Request.Headers.Authorization;
        if (string.IsNullOrEmpty(authorization))
            return Caller.None;
        if (Bearer.TokenOf(authorization) is not { } token)
            return Caller.Unknown();
        if (file.Find(token) is { } known)
            return known;
        if (TokenSecret.Parse(token) is { } secret)
            return (stored is null ? null : await stored.FindAsync(secret, context.RequestAborted)) ?? Caller.Unknown();
        return (outside is null ? null : await outside.FindAsync(context, token)) ?? Caller.Unknown();
    }

    private sealed record Identity(Caller Caller, Caller Credential);
}
