using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;

namespace CvmfsNix.Cluster.Node.Access;

/// <summary>
/// Ends what goes on under a credential that is good no longer: the stream of a mirror, a watching shell, a long upload. Looks every two seconds.
/// </summary>
public sealed class LiveCalls(StoredTokens? tokens, TimeProvider time) : BackgroundService
{
    private readonly ConcurrentDictionary<Call, bool> _calls = new();

    /// <summary>Keeps an eye on a call until the result is disposed.</summary>
    /// <param name="caller">Whose it is.</param>
    /// <param name="end">Breaks it off.</param>
    public IDisposable? Watch(Caller caller, Action end)
    {
        ArgumentNullException.ThrowIfNull(caller);
        if (caller.TokenId is null && caller.ExpiresAt is null)
            return null;
        var call = new Call(this, caller, end);
        _calls[call] = true;
        return call;
    }

    /// <summary>Ends what has to be ended now.</summary>
    public void Sweep()
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach (Call call in _calls.Keys)
        {
            if (call.Caller.ExpiresAt <= now || (call.Caller.TokenId is { } id && tokens?.HasEnded(id) == true))
                call.End();
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(StoredTokens.ReadEvery, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (tokens is { InUse: true })
                await tokens.TryReadAsync(stoppingToken);
            Sweep();
        }
    }

    private sealed class Call(LiveCalls all, Caller caller, Action end) : IDisposable
    {
        public Caller Caller => caller;

        public void End()
        {
            if (all._calls.TryRemove(this, out _))
                end();
        }

        public void Dispose() => all._calls.TryRemove(this, out _);
    }
}
