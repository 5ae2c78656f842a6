using CvmfsNix.Cluster.Actors.Administration.Tokens;
using CvmfsNix.Cluster.Node.Hosting;
using CvmfsNix.Cluster.Node.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>Registers who may do what, and asks every request for its credential.</summary>
internal static class AccessHosting
{
    /// <summary>Adds the parts.</summary>
    /// <param name="services">Of a core node.</param>
    /// <param name="options">Checked options.</param>
    /// <param name="tokens">Of the token file.</param>
    public static IServiceCollection AddAccess(this IServiceCollection services, NodeOptions options, AccessTokens tokens)
    {
        bool required = tokens.Required || options.Access.Required;
        // The operator's token is made in any case, so that switching tokens on later needs nothing but the switch.
        AccessTokens file = tokens.Required ? tokens : AccessTokens.Of([], AdminToken.LoadOrCreate(options.Folders.Keys));
        if (options.Access.Oidc is { } oidc)
            IssuerTokens.Add(services, oidc);
        services.AddSingleton(provider => new LiveCalls(provider.GetService<StoredTokens>(), provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new AccessControl(required, file, provider.GetService<StoredTokens>(), provider.GetService<IOutsideTokens>()));
        return services;
    }

    /// <summary>Adds the tokens in the journal's database.</summary>
    public static IServiceCollection AddStoredTokens(this IServiceCollection services) => services.AddSingleton(provider => new StoredTokens(
        provider.GetRequiredService<ITokenTable>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<StoredTokens>>()));

    /// <summary>Finds out who asks before anything else is done, except where everybody may read.</summary>
    public static void UseAccess(this WebApplication app)
    {
        var access = app.Services.GetRequiredService<AccessControl>();
        var live = app.Services.GetRequiredService<LiveCalls>();
        app.Use(async (context, next) =>
        {
            if (IsPublic(context))
            {
                await next(context);
                return;
            }

            Caller caller = await access.IdentifyAsync(context);
            using IDisposable? watch = live.Watch(caller, context.Abort);
            await next(context);
        });
    }

    private static bool IsPublic(HttpContext context) =>
        NodeHost.SurfaceOf(context) == Surface.Data && (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method));
}
