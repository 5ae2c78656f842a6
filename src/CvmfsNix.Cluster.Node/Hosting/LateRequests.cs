using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Hosting;

/// <summary>
/// What still goes on some time after the node was told to stop, and keeps it from handing over: at the ports for files it is broken off; at the control port it is answered that the node
/// stops (<see cref="Control.CallInterceptor"/>). The web server itself is given longer: it cuts off what it finds at its limit without a word, which callers
/// take for a fault, and a machine that is short of time needs more of it to say even little.
/// </summary>
public sealed class LateRequests : IDisposable
{
    /// <summary>What requests still get.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private readonly CancellationTokenSource _late;
    private readonly CancellationTokenRegistration _stopping;

    public LateRequests(IHostApplicationLifetime lifetime, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(lifetime);
        _late = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _stopping = lifetime.ApplicationStopping.Register(() => _late.CancelAfter(Patience));
    }

    /// <summary>What the web server gets for all of it.</summary>
    internal static TimeSpan StopMax { get; } = TimeSpan.FromSeconds(20);

    /// <summary>Cancelled when requests had their time.</summary>
    public CancellationToken Late => _late.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Dispose();
        _late.Dispose();
    }

    /// <summary>Puts it in front of everything else.</summary>
    internal static void Use(WebApplication app)
    {
        CancellationToken late = app.Services.GetRequiredService<LateRequests>().Late;
        app.Use(async (context, next) =>
        {
            if (NodeHost.SurfaceOf(context) is Surface.Control)
            {
                await next(context);
                return;
            }

            using (late.UnsafeRegister(static c => ((HttpContext)c!).Abort(), context))
                await next(context);
        });
    }
}
