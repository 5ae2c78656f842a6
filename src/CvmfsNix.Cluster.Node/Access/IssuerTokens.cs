using System.Security.Claims;
using CvmfsNix.Cluster.Contracts.Tls;
using CvmfsNix.Cluster.Node.Errors;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Tokens of an OpenID Connect issuer (JWT), checked by the handler of ASP.NET; what their claims allow, rules or the claims themselves say.</summary>
public sealed class IssuerTokens(OidcOptions options, ILogger<IssuerTokens> log) : IOutsideTokens
{
    private const string SchemeName = "issuer";
    private const int NameLengthMax = 100;
    private static readonly object TokenKey = new();
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    // No secret is shared with the issuer, so signatures that need one are never good.
    private static readonly string[] Algorithms =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512, SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384,
        SecurityAlgorithms.RsaSsaPssSha512, SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
    ];

    // Where issuers put scopes that they grant themselves.
    private static readonly string[] ScopeClaims = ["scope", "scp", "scopes"];

    private readonly ReloadedFiles<OutsideRules>? _rules = options.RulesFile is { } file
        ? new ReloadedFiles<OutsideRules>([file], () => OutsideRules.Parse(File.ReadAllText(file), file), told => log.LogWarning("Rules for tokens of the issuer: {What}", told))
        : null;

    /// <summary>Registers it with the handler behind it.</summary>
    public static void Add(IServiceCollection services, OidcOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ReloadedFiles<IReadOnlyList<SecurityKey>>? keys = options.KeysFile is { } file ? new([file], () => ReadKeys(file), null) : null;
        // Not AddAuthentication: that brings a ring of keys for cookies with it, which it writes into the user's home.
        services.AddAuthenticationCore();
        services.AddWebEncoders();
        services.AddSingleton<IAuthenticationConfigurationProvider>(new NoConfiguration());
        new AuthenticationBuilder(services).AddJwtBearer(SchemeName, jwt =>
        {
            jwt.MapInboundClaims = false;
            if (keys is null)
            {
                jwt.Authority = options.Issuer;
                jwt.RequireHttpsMetadata = !new Uri(options.Issuer).IsLoopback;
            }

            jwt.TokenValidationParameters = new TokenValidationParameters
            {
                ValidIssuer = options.Issuer,
                ValidAudience = options.Audience,
                ValidAlgorithms = Algorithms,
                RequireExpirationTime = true,
                RequireSignedTokens = true,
                ClockSkew = ClockSkew,
                IssuerSigningKeyResolver = keys is null ? null : (_, _, id, _) => keys.Current.Where(k => string.IsNullOrEmpty(id) || k.KeyId == id),
            };
            jwt.Events = new JwtBearerEvents
            {
                OnMessageReceived = received =>
                {
                    received.Token = received.HttpContext.Items[TokenKey] as string;
                    return Task.CompletedTask;
                },
            };
        });
        services.AddSingleton<IOutsideTokens>(provider => new IssuerTokens(options, provider.GetRequiredService<ILogger<IssuerTokens>>()));
    }

    /// <summary>Reads the issuer's keys, a JSON Web Key Set.</summary>
    /// <exception cref="InvalidDataException">It holds none.</exception>
    public static IReadOnlyList<SecurityKey> ReadKeys(string file)
    {
        try
        {
            IList<SecurityKey> keys = new JsonWebKeySet(File.ReadAllText(file)).GetSigningKeys();
            return keys.Count > 0 ? [.. keys] : throw new InvalidDataException($"The file {file} holds no key that signs.");
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"The file {file} is no set of keys ({{\"keys\":[…]}}).", e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Caller?> FindAsync(HttpContext context, string token)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(token);
        if (token.Count(c => c == '.') != 2)
            return null;
        context.Items[TokenKey] = token;
        AuthenticateResult result = await context.AuthenticateAsync(SchemeName);
        return result is { Succeeded: true, Principal: { } principal }
            ? CallerOf(principal, result.Properties?.ExpiresUtc)
            : Caller.Rejected(new NodeError(NodeCodes.Unauthorized, $"The token is none that this node takes: {Reason(result.Failure)}.", "authorization", $"It takes tokens of {options.Issuer} for the audience {options.Audience}."));
    }

    private Caller CallerOf(ClaimsPrincipal principal, DateTimeOffset? expiresAt)
    {
        ILookup<string, string> claims = principal.Claims.ToLookup(c => c.Type, c => c.Value, StringComparer.Ordinal);
        string subject = string.Concat((claims["sub"].FirstOrDefault() ?? "?").Where(c => !char.IsControl(c)).Take(NameLengthMax));
        return Caller.Of($"issuer:{subject}", _rules?.Current.ScopesOf(claims) ?? Granted(claims), expiresAt: expiresAt);
    }

    private static Scope[] Granted(ILookup<string, string> claims) =>
    [
        .. ScopeClaims.SelectMany(name => claims[name]).SelectMany(value => value.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(word => Scope.TryParse(word, out Scope scope) ? scope : (Scope?)null).OfType<Scope>().Distinct(),
    ];

    // All settings are ours.
    private sealed class NoConfiguration : IAuthenticationConfigurationProvider
    {
        public IConfiguration AuthenticationConfiguration { get; } = new ConfigurationBuilder().Build();
    }

    // In words of our own: those of the library name settings of programs, and may hold parts of the token.
    private static string Reason(Exception? failure) => failure switch
    {
        SecurityTokenExpiredException => "it has ended",
        SecurityTokenNotYetValidException => "it is not good yet",
        SecurityTokenInvalidAudienceException => "it is for another audience",
        SecurityTokenInvalidIssuerException => "it is of another issuer",
        SecurityTokenSignatureKeyNotFoundException or SecurityTokenInvalidSignatureException or SecurityTokenInvalidAlgorithmException => "no key of the issuer signed it",
        SecurityTokenNoExpirationException => "it has no end",
        _ => "it cannot be checked",
    };
}
